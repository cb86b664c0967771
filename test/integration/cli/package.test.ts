import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectPath } from '../../helpers/project-files.js';
import { runProgram } from '../../helpers/run-program.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

async function pack(folder: string): Promise<string> {
  const packed = await runProgram('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
    cwd: projectPath('.'),
  });
  expect(packed.code, packed.stderr).toBe(0);
  return join(folder, packed.stdout.trim());
}

/** The package as users get it: packed, installed in an empty folder, and used from there. */
describe('the packed package', () => {
  it('has types and exports that every resolver of today understands', { timeout: 120_000 }, async () => {
    await withTemporaryDirectory(async (folder) => {
      const tarball = await pack(folder);
      const linted = await runProgram('npx', ['publint', 'run', tarball, '--strict'], { cwd: projectPath('.') });
      expect(linted.code, linted.stdout + linted.stderr).toBe(0);
      const typed = await runProgram('npx', ['attw', tarball, '--profile', 'esm-only'], { cwd: projectPath('.') });
      expect(typed.code, typed.stdout + typed.stderr).toBe(0);
    });
  });

  it('makes a project that passes its own test', { timeout: 300_000 }, async () => {
    await withTemporaryDirectory(async (folder) => {
      const tarball = await pack(folder);
      const npx = ['exec', '--yes', '--package', tarball, '--', 'millrace', 'init', 'demo', '--millrace', tarball];
      const made = await runProgram('npm', npx, { cwd: folder });
      expect(made.code, made.stderr).toBe(0);

      const tested = await runProgram('npm', ['test'], { cwd: join(folder, 'demo') });
      expect(tested.code, tested.stdout + tested.stderr).toBe(0);
      expect(tested.stdout).toMatch(/# pass 1|pass 1/);
    });
  });
});
