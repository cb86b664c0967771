import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectPath } from '../../helpers/project-files.js';
import { type ProgramResult, runMillrace } from '../../helpers/run-program.js';

interface Report {
  readonly faults: Readonly<Record<string, number>>;
  readonly answered: number;
  readonly failures: readonly string[];
  readonly dataDir: string | null;
}

function runChaos(checker: string, ...more: string[]): Promise<ProgramResult> {
  const job = projectPath('test/fixtures/jobs/idempotent.mjs');
  return runMillrace(['chaos', '--job', job, '--checker', projectPath(`test/fixtures/chaos/${checker}.mjs`), ...more]);
}

// Processes that are started again and again.
describe('millrace chaos', { timeout: 300_000 }, () => {
  it('kills a service, ends its workers and sets its clock, while all that it accepts is done once', async () => {
    const args = [
      '--kills',
      '3',
      '--faults',
      'kill,worker,clock',
      '--clients',
      '4',
      '--json',
      '--',
      '--state-backend',
      'heap',
    ];
    const { code, stdout, stderr } = await runChaos('counter-checker', ...args);
    expect(code, stdout + stderr).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.faults).toEqual({ kill: 1, worker: 1, clock: 1 });
    expect(report.answered).toBeGreaterThan(0);
    expect(report.failures).toEqual([]);
    expect(report.dataDir).toBeNull();
    expect(stderr).toMatch(/^seed \d+$/m);
    expect(stderr).toContain('kill 1, worker 1, clock 1;');
  });

  it('says what does not hold, and keeps the data folder', async () => {
    const { code, stdout } = await runChaos('disappointed-checker', '--kills', '1', '--clients', '1');
    expect(code).toBe(1);
    expect(stdout).toContain('WRONG: ada is missing');
    expect(stdout).toContain('1 thing does not hold');
    const kept = /the data folder is kept: (.+)$/m.exec(stdout)?.[1] ?? '';
    expect(existsSync(kept)).toBe(true);
    await rm(dirname(kept), { recursive: true });
  });

  it('refuses faults and checkers that do not exist', async () => {
    const fault = await runChaos('counter-checker', '--faults', 'kill,earthquake');
    expect(fault.code).toBe(2);
    expect(fault.stderr).toContain('earthquake');
    const checker = await runChaos('no-such-checker');
    expect(checker.code).toBe(2);
    expect(checker.stderr).toContain('no-such-checker.mjs" cannot be loaded');
  });
});
