import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, CaseResult } from './case-format.js';
import { CaseRunner } from './case-runner.js';
import { compareResults } from './compare.js';

/** How one case went. */
export interface Verdict {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What differs; empty unless failed. */
  readonly difference: string;
}

/** The folders below `directory` that hold a case, sorted. */
export function listCases(directory: string): string[] {
  const names = readdirSync(directory).filter((name) => existsSync(join(directory, name, 'case.json')));
  return names.sort().map((name) => join(directory, name));
}

/** Runs one case folder. A case marked informational is skipped. */
export function runCase(folder: string): Verdict {
  const testCase = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as Case;
  const { name } = testCase;
  if (testCase.dataflow.informational === true) return { name, outcome: 'skipped', difference: '' };
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as CaseResult;
  try {
    const difference = compareResults(expected, new CaseRunner(testCase).run());
    return { name, outcome: difference === null ? 'passed' : 'failed', difference: difference ?? '' };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { name, outcome: 'failed', difference: text };
  }
}
