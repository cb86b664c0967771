import { describe, expect, it } from 'vitest';
import { projectFiles, readProjectFile } from '../helpers/project-files.js';

/**
 * Code in documents comes from code that is compiled and run. A block names its file in a comment before it:
 *
 *     <!-- snippet: examples/risk/risk.ts -->
 *
 * The block's lines stand in that file one after the other, at any indentation. The file is a test, or an example that a
 * test imports.
 */

interface Snippet {
  readonly page: string;
  readonly source: string;
  readonly code: string;
}

const SNIPPET = /<!-- snippet: (\S+) -->\s*```ts\n([\s\S]*?)```/g;

const snippets: readonly Snippet[] = projectFiles('docs', '.md').flatMap((page) =>
  [...readProjectFile(page).matchAll(SNIPPET)].map(([, source = '', code = '']) => ({ page, source, code })),
);

/** Lines without indentation, so that a part of a function may be shown. */
function flat(code: string): string {
  const lines = code.split('\n').map((line) => line.trim());
  return `\n${lines.filter((line) => line !== '').join('\n')}\n`;
}

function isRun(source: string): boolean {
  if (source.endsWith('.test.ts')) return true;
  const module = source.replace(/\.ts$/, '.js');
  return projectFiles('test', '.test.ts').some((test) => readProjectFile(test).includes(`/${module}'`));
}

describe('snippets in docs/', () => {
  it('are there, and found', () => {
    expect(snippets.length).toBeGreaterThan(0);
  });

  it.each(snippets)('$page shows what stands in $source', ({ source, code }) => {
    expect(flat(readProjectFile(source))).toContain(flat(code));
  });

  it.each(snippets)('$source, which $page shows, is run by a test', ({ source }) => {
    expect(isRun(source)).toBe(true);
  });
});
