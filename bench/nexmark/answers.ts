import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as eventsModule from '../../examples/nexmark/events.js';
import type * as materialisedModule from '../../examples/nexmark/materialised.js';
import { type Backend, runNexmark } from './run.js';

/**
 * The small set's answers: rows, and MD5 of the sorted lines. Those of q0 to q7 and q14 are what Apache Flink's SQL gives for
 * the same events, the others what a plain computation gives: the unit tests compare with both.
 */
const answers: Readonly<Record<string, readonly [rows: number, md5: string]>> = {
  q0: [18_400, '47d8095502a7934601ebf4dbc309ec64'],
  q1: [18_400, 'f12925cfa2ffa53bb021e05ef04c10bc'],
  q2: [66, '959550828bbeda81b43ea34f3610bab0'],
  q3: [69, '128ad5efd55ff3132f9002ad26204953'],
  q4: [5, '5672b44ed4918b7a874a81c00bd99d78'],
  q5: [104, '393da0ce7ccc584d5a6310f87ae9ec55'],
  q7: [20, '09664b3609093fdd49ff39bd3c17679a'],
  q8: [42, 'fbc9cde5dedf5b8f156b279b0d981d69'],
  q9: [1_094, '6b5dc3e4aeb0856eeba93a62700430c1'],
  q11: [1_490, '0aff1939df84cec48117c3925e6e3f89'],
  q14: [4_591, '63cfbd3f41059891c7ea5a05801657e1'],
  q15: [2, '79c54e906362bf1231175b125193dc62'],
  q16: [7_270, 'c4f160755e3522f92f8a5ee62c7956f6'],
  q17: [1_272, 'be83f57ede22820eb99a5dbd0bbe2066'],
  q18: [5_068, 'ebc55fb8eb8247f2495bbead5e8f957b'],
  q19: [8_748, '94d1f5d0bcf8723d5e3c8b674f96d6e3'],
  q20: [4_052, '43f1dc8e8e6a385a42c9e20c9f29676a'],
};

const SMALL_SET_EVENTS = 20_000;

/** Runs a query over the small set in real workers, and throws when an answer is wrong. q12 depends on the clock: not checked. */
export async function checkAnswer(query: string, parallelism: number, backend: Backend): Promise<void> {
  const expected = answers[query];
  if (expected === undefined) return;
  const rowsDir = await mkdtemp(join(tmpdir(), 'millrace-nexmark-'));
  const changes: eventsModule.RowChange[] = [];
  try {
    await runNexmark({ query, parallelism, eventCount: SMALL_SET_EVENTS, warmUpEvents: 0, rowsDir }, backend);
    for (const file of await readdir(rowsDir)) {
      const text = await readFile(join(rowsDir, file), 'utf8');
      if (text !== '') changes.push(...text.split('\n').map((line) => JSON.parse(line) as eventsModule.RowChange));
    }
  } finally {
    await rm(rowsDir, { recursive: true, force: true });
  }
  const { MaterialisedTable } = (await import(
    new URL('../../../dist/examples/nexmark/materialised.js', import.meta.url).href
  )) as typeof materialisedModule;
  const table = new MaterialisedTable();
  for (const change of changes) table.apply(change);
  const lines = table.lines();
  const md5 = createHash('md5')
    .update(lines.map((line) => `${line}\n`).join(''))
    .digest('hex');
  if (lines.length === expected[0] && md5 === expected[1]) return;
  throw new Error(
    `${query} at parallelism ${String(parallelism)} on ${backend} gave ${String(lines.length)} wrong rows`,
  );
}
