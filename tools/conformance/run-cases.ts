import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Case, CaseResult } from './case-format.js';
import { CaseRunner } from './case-runner.js';
import { compareResults } from './compare.js';

/** How one case went. */
export interface Verdict {
  /** Of its folder. */
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What differs, or why the case could not be run; empty unless failed. */
  readonly difference: string;
}

const CASE_FILE = 'case.json';
const EXPECTED_FILE = 'expected.json';

/** The folders below `directory` that hold a case or a part of one, sorted; the directory itself when it is a case. */
export function listCases(directory: string): string[] {
  if (existsSync(join(directory, CASE_FILE))) return [directory];
  const names = readdirSync(directory).filter((name) =>
    [CASE_FILE, EXPECTED_FILE].some((file) => existsSync(join(directory, name, file))),
  );
  return names.sort().map((name) => join(directory, name));
}

/** Runs one case folder. A case marked informational is skipped; one that cannot be read or run has failed. */
export function runCase(folder: string): Verdict {
  const name = basename(folder);
  try {
    const testCase = readJson(join(folder, CASE_FILE)) as Case;
    requireShape(testCase);
    if (testCase.dataflow.informational === true) return { name, outcome: 'skipped', difference: '' };
    const expected = readJson(join(folder, EXPECTED_FILE)) as CaseResult;
    if (!Array.isArray(expected?.outputs)) throw new TypeError(`${EXPECTED_FILE} has no list "outputs"`);
    const difference = compareResults(expected, new CaseRunner(testCase).run());
    return { name, outcome: difference === null ? 'passed' : 'failed', difference: difference ?? '' };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { name, outcome: 'failed', difference: text };
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch (error) {
    throw new Error(`${basename(file)} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** What the runner takes for granted about a case; what is inside it complains about by itself. */
function requireShape(testCase: Case | null): void {
  const { dataflow, inputs } = (testCase ?? {}) as Partial<Case>;
  const isDataflow = Array.isArray(dataflow?.operators) && dataflow.operators.length > 0;
  if (!isDataflow) throw new TypeError(`${CASE_FILE} has no operators in its dataflow`);
  if (!Array.isArray(inputs)) throw new TypeError(`${CASE_FILE} has no list "inputs"`);
  for (const [index, stream] of inputs.entries()) {
    if (!Array.isArray((stream as Partial<Case['inputs'][number]> | null)?.items)) {
      throw new TypeError(`input stream ${String(index)} of ${CASE_FILE} has no list "items"`);
    }
  }
}
