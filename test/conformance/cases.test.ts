import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { CaseOutput } from '../../tools/conformance/case-format.js';
import { compareResults } from '../../tools/conformance/compare.js';
import { listCases, runCase } from '../../tools/conformance/run-cases.js';

const casesFolder = new URL('cases', import.meta.url).pathname;
const emptyFolder = mkdtempSync(join(tmpdir(), 'millrace-cases-'));

afterAll(() => rmSync(emptyFolder, { recursive: true }));

describe('cases that ran through Apache Flink', () => {
  const folders = listCases(casesFolder);

  it('are found, so that the suite cannot pass by running none', () => {
    expect(folders.length).toBeGreaterThanOrEqual(56);
    expect(listCases(emptyFolder)).toEqual([]);
  });

  it.each(folders)('%s gives the outputs that Flink gave', (folder) => {
    const verdict = runCase(folder);
    expect(verdict.difference).toBe('');
  });
});

describe('the comparison', () => {
  const record = (value: number, tie?: readonly [number, string]): CaseOutput => ({
    seq: 1,
    value,
    ts: 5,
    ...(tie === undefined ? {} : { tie }),
  });
  const compare = (expected: readonly CaseOutput[], actual: readonly CaseOutput[]): string | null =>
    compareResults({ outputs: expected }, { outputs: actual });

  it('accepts equal outputs and refuses another value, order, step or number of them', () => {
    const expected = [record(1), record(2)];
    expect(compare(expected, [record(1), record(2)])).toBeNull();
    expect(compare(expected, [record(1), record(3)])).toContain('expected');
    expect(compare(expected, [record(2), record(1)])).toContain('expected');
    expect(compare(expected, [record(1), { ...record(2), seq: 2 }])).toContain('expected');
    expect(compare(expected, [record(1)])).toContain('expected');
    expect(compare(expected, [...expected, record(3)])).toContain('too many');
  });

  it('lets the lanes of a tie interleave and keeps the order within a lane', () => {
    const expected = [record(1, [0, 'a']), record(2, [0, 'a']), record(3, [0, 'b'])];
    expect(compare(expected, [record(1), record(3), record(2)])).toBeNull();
    expect(compare(expected, [record(3), record(2), record(1)])).toContain('expected');
  });
});
