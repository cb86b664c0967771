import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectPath } from '../helpers/project-files.js';

/**
 * The canary of `npm run lint`: test/fixtures/lint breaks each rule that the project leans on, and the linter, run with the
 * project's own configuration, must report every one. Rules that need types fall silent when the type checker finds no
 * tsconfig.json, which looks like success.
 */

interface LintReport {
  readonly diagnostics: readonly { readonly code: string; readonly filename: string; readonly message: string }[];
}

describe('the linter, on a file that breaks every rule', () => {
  let project: string;
  let report: LintReport;

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'millrace-lint-'));
    cpSync(projectPath('test/fixtures/lint'), project, { recursive: true });
    for (const file of ['.oxlintrc.json', 'tsconfig.base.json']) cpSync(projectPath(file), join(project, file));
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ extends: './tsconfig.base.json', include: ['src'] }),
    );
    symlinkSync(projectPath('node_modules'), join(project, 'node_modules'));
    report = runLinter(project);
  }, 60_000);

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it.each([
    'typescript(no-floating-promises)',
    'typescript(no-misused-promises)',
    'typescript(switch-exhaustiveness-check)',
    'typescript(no-explicit-any)',
    'typescript(no-non-null-assertion)',
    'typescript(no-unsafe-return)',
    'typescript(no-unsafe-member-access)',
    'import(no-cycle)',
    'import(no-default-export)',
    'eslint(max-lines)',
    'eslint(max-lines-per-function)',
    'eslint(no-console)',
    'eslint(no-restricted-globals)',
  ])('reports %s', (code) => {
    expect(report.diagnostics.map((diagnostic) => diagnostic.code)).toContain(code);
  });

  it.each(['process.env', 'performance.now', 'Date.now', 'Math.random', 'setTimeout'])(
    'bans %s from a pure layer',
    (name) => {
      expect(report.diagnostics.some(({ message }) => message.includes(`'${name}'`))).toBe(true);
    },
  );
});

function runLinter(project: string): LintReport {
  try {
    execFileSync(projectPath('node_modules/.bin/oxlint'), ['-f', 'json'], { cwd: project, encoding: 'utf8' });
  } catch (error) {
    // A linter that finds something exits with 1; its report is on standard output all the same.
    return JSON.parse((error as { stdout: string }).stdout) as LintReport;
  }
  throw new Error('the linter found nothing in a file full of mistakes');
}
