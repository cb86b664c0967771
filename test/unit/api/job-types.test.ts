import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const typesFolder = `${root}/test/types`;

/** Type-checks files with the project's own strictness. Gives `file:line: message`. */
function compile(files: readonly string[]): string[] {
  const { config } = ts.readConfigFile(`${root}/tsconfig.base.json`, (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...config.compilerOptions, noEmit: true, composite: false, incremental: false },
    root,
  );
  const program = ts.createProgram([...files], options);
  // What the files import is checked where it belongs: errors elsewhere are not these tests' to report.
  return files.flatMap((file) => {
    const source = program.getSourceFile(file);
    if (source === undefined) throw new Error(`${file} is not part of the program`);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((diagnostic) => {
      const line = source.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line + 1;
      return `${file.slice(root.length + 1)}:${String(line)}: TS${String(diagnostic.code)}`;
    });
  });
}

describe('the types of a job', () => {
  it('compile where a chain is right, and refuse every wrong type in it', () => {
    const files = readdirSync(typesFolder).map((name) => `${typesFolder}/${name}`);
    expect(files.length).toBeGreaterThanOrEqual(4);
    expect(compile(files)).toEqual([]);
  });

  it('are checked by a compiler that reports types gone loose, and errors', () => {
    expect(compile([`${root}/test/fixtures/types/loose.ts`])).toEqual([
      'test/fixtures/types/loose.ts:5: TS2578',
      'test/fixtures/types/loose.ts:7: TS2339',
    ]);
  });
});
