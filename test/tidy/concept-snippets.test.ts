import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectPath } from '../helpers/project-files.js';

/** Each page about a concept has a snippet that stands by itself: it must compile at the strictest, and run without a failed assertion. */

const pages = readdirSync(projectPath('docs/concepts')).filter((name) => name !== 'README.md');
/** Within the project, so that `millrace` resolves to it. */
const folder = projectPath(`build/snippets-${String(process.pid)}`);

function snippetOf(page: string): string {
  const text = readFileSync(projectPath(`docs/concepts/${page}`), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code).join('\n');
}

const fileOf = (page: string): string => join(folder, page.replace(/\.md$/, '.mts'));

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  for (const page of pages) writeFileSync(fileOf(page), snippetOf(page));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the snippets of the pages about concepts', () => {
  it('are there, on every page', () => {
    expect(pages.length).toBeGreaterThanOrEqual(9);
    for (const page of pages) expect(snippetOf(page), page).toContain("from 'millrace");
  });

  it('compile', { timeout: 60_000 }, () => {
    const program = ts.createProgram(pages.map(fileOf), {
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      types: ['node'],
    });
    const found = ts.getPreEmitDiagnostics(program).map((diagnostic) => {
      const line = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
      return `${diagnostic.file?.fileName ?? ''}:${line + 1} ${ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')}`;
    });
    expect(found).toEqual([]);
  });

  it.each(pages)('%s runs as it says', async (page) => {
    const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
    const file = fileOf(page).replace(/\.mts$/, '.mjs');
    writeFileSync(file, ts.transpileModule(snippetOf(page), { compilerOptions: options }).outputText);
    await import(/* @vite-ignore */ pathToFileURL(file).href);
  });
});
