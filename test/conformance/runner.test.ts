import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listCases, runCase } from '../../tools/conformance/run-cases.js';
import { projectPath } from '../helpers/project-files.js';
import { runProgram } from '../helpers/run-program.js';

/** Folders that hold no proper case: each is a failed case by itself, and the run goes on to the next. */

const folder = mkdtempSync(join(tmpdir(), 'millrace-cases-'));
const good = projectPath('test/conformance/cases/01-tumbling-sum');
const keyedProcess = (items: readonly unknown[], processElement: readonly unknown[] = []): string =>
  JSON.stringify({
    name: 'made up',
    dataflow: { operators: [{ operator: 'keyedProcess', keyBy: 'k', keyType: 'string', processElement }] },
    inputs: [{ name: 'in', items }],
  });
const element = { seq: 1, value: { k: 'a' }, ts: 1 };
const noOutputs = JSON.stringify({ outputs: [] });

/** What each folder holds, and what is said about it. */
const malformed: readonly (readonly [name: string, files: Readonly<Record<string, string>>, complaint: string])[] = [
  ['02-no-json', { 'case.json': '{', 'expected.json': noOutputs }, 'case.json cannot be read'],
  ['03-nothing-expected', { 'case.json': keyedProcess([]) }, 'expected.json cannot be read'],
  ['04-only-expected', { 'expected.json': noOutputs }, 'case.json cannot be read'],
  ['05-null', { 'case.json': 'null', 'expected.json': noOutputs }, 'no operators in its dataflow'],
  ['06-no-operators', { 'case.json': '{"dataflow":{"operators":[]}}', 'expected.json': noOutputs }, 'no operators'],
  [
    '07-no-inputs',
    { 'case.json': '{"dataflow":{"operators":[{"operator":"flatMap"}]}}', 'expected.json': noOutputs },
    'no list "inputs"',
  ],
  [
    '08-no-items',
    { 'case.json': keyedProcess([]).replace('"items":[]', '"item":[]'), 'expected.json': noOutputs },
    'input stream 0 of case.json has no list "items"',
  ],
  [
    '09-unknown-operator',
    { 'case.json': keyedProcess([element]).replace('keyedProcess', 'teleport'), 'expected.json': noOutputs },
    'the operator "teleport" is not known',
  ],
  [
    '10-unknown-item',
    { 'case.json': keyedProcess([{ seq: 1, wait: 5 }]), 'expected.json': noOutputs },
    'no known kind',
  ],
  [
    '11-unknown-statement',
    { 'case.json': keyedProcess([element], [{ shout: 1 }]), 'expected.json': noOutputs },
    'the statement {"shout":1} is not known',
  ],
  [
    '12-unknown-checkpoint',
    { 'case.json': keyedProcess([{ seq: 1, restore: 'x' }]), 'expected.json': noOutputs },
    'there is no checkpoint "x" to restore',
  ],
  ['13-no-outputs', { 'case.json': keyedProcess([]), 'expected.json': '{}' }, 'expected.json has no list "outputs"'],
  [
    '14-other-outputs',
    { 'case.json': keyedProcess([element], [{ emit: 1 }]), 'expected.json': noOutputs },
    '1 outputs too many',
  ],
];

beforeAll(() => {
  cpSync(good, join(folder, '01-good'), { recursive: true });
  for (const [name, files] of malformed) {
    mkdirSync(join(folder, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
  }
  cpSync(good, join(folder, '15-good'), { recursive: true });
  const informational = { dataflow: { informational: true, operators: [{ operator: 'chain' }] }, inputs: [] };
  mkdirSync(join(folder, '16-informational'));
  writeFileSync(join(folder, '16-informational', 'case.json'), JSON.stringify(informational));
  mkdirSync(join(folder, 'not-a-case'));
  writeFileSync(join(folder, 'README.md'), 'beside the cases');
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('a folder of cases', () => {
  it.each(malformed)('fails %s by itself, and says why', (name, _files, complaint) => {
    const verdict = runCase(join(folder, name));
    expect(verdict).toMatchObject({ name, outcome: 'failed' });
    expect(verdict.difference).toContain(complaint);
  });

  it('may be one case', () => {
    expect(listCases(good)).toEqual([good]);
    expect(runCase(good)).toEqual({ name: '01-tumbling-sum', outcome: 'passed', difference: '' });
  });
});

describe('the program', () => {
  const run = (path: string): ReturnType<typeof runProgram> =>
    runProgram(process.execPath, [projectPath('build/conformance/run.js'), path]);

  it('goes on behind a failed case, and closes with how many passed and failed', async () => {
    const { code, stdout } = await run(folder);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toBe(`2 passed, ${String(malformed.length)} failed`);
    expect(lines.at(-2)).toBe('1 skipped: informational');
    expect(lines.filter((line) => line.startsWith('FAILED '))).toHaveLength(malformed.length);
    expect(code).toBe(1);
  });

  it('fails where there are no cases, or no folder', async () => {
    for (const path of [join(folder, 'not-a-case'), join(folder, 'nowhere')]) {
      const { code, stdout, stderr } = await run(path);
      expect(stdout).toBe('0 passed, 0 failed\n');
      expect(stderr).toContain(path);
      expect(code).toBe(2);
    }
  });
});
