import { describe, expect, it } from 'vitest';
import { projectFiles, readProjectFile } from '../helpers/project-files.js';

/** How files are named and where they lie. */

const sources = projectFiles('src', '.ts');
const tests = projectFiles('test', '.ts');
const code = [
  ...sources,
  ...tests,
  ...projectFiles('tools', '.mjs'),
  ...projectFiles('bench', '.ts'),
  ...projectFiles('examples', '.ts'),
];

describe('src/', () => {
  it('has no folder or file whose name says nothing', () => {
    const vague = /(^|\/)(utils?|common|helpers?|types?|misc|shared|lib)(\/|\.ts$)/;
    expect(sources.filter((path) => vague.test(path))).toEqual([]);
  });

  it('names its files in kebab case', () => {
    expect(sources.filter((path) => !/^src\/([a-z0-9-]+\/)*[a-z0-9-]+\.ts$/.test(path))).toEqual([]);
  });

  it('opens every file of more than 100 lines with what it is for', () => {
    const unexplained = sources.filter((path) => {
      const text = readProjectFile(path);
      return text.split('\n').length > 100 && !/^\/\*\*/m.test(text);
    });
    expect(unexplained).toEqual([]);
  });
});

describe('test/', () => {
  it('files every unit test beside its source file, or at least under the folder that it tests', () => {
    const known = new Set(sources.map((path) => path.slice('src/'.length, -'.ts'.length)));
    const misfiled = tests
      .filter((path) => path.startsWith('test/unit/') && path.endsWith('.test.ts'))
      .filter((path) => !known.has(path.slice('test/unit/'.length, -'.test.ts'.length)))
      .filter((path) => {
        const folder = path.split('/')[2] ?? '';
        // The package's front door is how an author's code sees the API.
        const doors = folder === 'api' ? `(src/)?(api/|index\\.js)` : `(src/)?${folder}/`;
        return !new RegExp(`from '[./]+/${doors}`).test(readProjectFile(path));
      });
    expect(misfiled).toEqual([]);
  });

  it('runs every test: none is left out, none runs alone', () => {
    const marked = tests.filter((path) => /\b(it|test|describe)\.(only|skip|todo)\(/.test(readProjectFile(path)));
    expect(marked.filter((path) => path !== 'test/tidy/tree.test.ts')).toEqual([]);
  });

  it('waits for conditions and never sleeps', () => {
    const sleeping = tests.filter(
      (path) =>
        path.endsWith('.test.ts') &&
        /setTimeout.*from 'node:timers\/promises'|await new Promise\(.*setTimeout/.test(readProjectFile(path)),
    );
    expect(sleeping.filter((path) => path !== 'test/tidy/tree.test.ts')).toEqual([]);
  });
});

describe('the code', () => {
  it('has no unfinished business without a number to find it by', () => {
    const unfinished = code.flatMap((path) =>
      readProjectFile(path)
        .split('\n')
        .flatMap((line, i) => (/\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/.test(line) ? [`${path}:${i + 1}`] : [])),
    );
    expect(unfinished.filter((place) => !place.startsWith('test/tidy/tree.test.ts'))).toEqual([]);
  });

  it('switches no rule of the compiler or the linter off without a reason', () => {
    const silenced = code.flatMap((path) =>
      readProjectFile(path)
        .split('\n')
        .flatMap((line, i) =>
          /@ts-(ignore|nocheck)|(oxlint|eslint)-disable(?!.* -- \w)/.test(line) ? [`${path}:${i + 1}`] : [],
        ),
    );
    expect(silenced.filter((place) => !place.startsWith('test/tidy/tree.test.ts'))).toEqual([]);
  });
});
