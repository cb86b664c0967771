import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { projectFiles, projectPath } from '../helpers/project-files.js';

/**
 * Compiles the files beside this one. What a job author may write stands there plainly; what the compiler must refuse stands
 * under `@ts-expect-error`, which is an error itself when nothing is refused.
 */

const cases = projectFiles('test/types', '.ts').filter((path) => !path.endsWith('.test.ts'));
const canary = 'test/fixtures/types/loose.ts';

/** The errors of each file as `line: code`, under the strictness of the project. */
function compile(paths: readonly string[]): Map<string, string[]> {
  const { config } = ts.readConfigFile(projectPath('tsconfig.base.json'), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const wanted = { ...config.compilerOptions, noEmit: true, composite: false, incremental: false };
  const { options } = ts.convertCompilerOptionsFromJson(wanted, fileURLToPath(new URL('../..', import.meta.url)));
  const program = ts.createProgram(paths.map(projectPath), options);
  return new Map(
    paths.map((path) => {
      const file = program.getSourceFile(projectPath(path));
      if (file === undefined) throw new Error(`${path} is not part of the program`);
      // What the files import is checked where it belongs.
      const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
      return [
        path,
        found.map(
          ({ start, code }) => `${String(file.getLineAndCharacterOfPosition(start ?? 0).line + 1)}: TS${String(code)}`,
        ),
      ];
    }),
  );
}

describe('for the author of a job', () => {
  let errors: ReadonlyMap<string, readonly string[]>;

  beforeAll(() => {
    errors = compile([...cases, canary]);
  }, 120_000);

  it.each(cases)('%s compiles, but for what it expects to be refused', (path) => {
    expect(errors.get(path)).toEqual([]);
  });

  it('the compiler reports types gone loose, and errors nobody expects', () => {
    expect(cases.length).toBeGreaterThanOrEqual(4);
    expect(errors.get(canary)).toEqual(['5: TS2578', '7: TS2339']);
  });
});
