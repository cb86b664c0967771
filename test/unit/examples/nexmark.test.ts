import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { NexmarkEvent } from '../../../examples/nexmark/events.js';
import { NexmarkGenerator } from '../../../examples/nexmark/generator.js';
import { queries } from '../../../examples/nexmark/queries.js';
import { runQuery } from '../../../examples/nexmark/run-query.js';
import { nexmarkByHand } from '../../helpers/nexmark-by-hand.js';

/** What Apache Flink's SQL gave for the same events: rows, and MD5 of the sorted lines. */
const flinkResults: Readonly<Record<string, readonly [rows: number, md5: string]>> = {
  q0: [18_400, '47d8095502a7934601ebf4dbc309ec64'],
  q1: [18_400, 'f12925cfa2ffa53bb021e05ef04c10bc'],
  q2: [66, '959550828bbeda81b43ea34f3610bab0'],
  q3: [69, '128ad5efd55ff3132f9002ad26204953'],
  q4: [5, '5672b44ed4918b7a874a81c00bd99d78'],
  q5: [104, '393da0ce7ccc584d5a6310f87ae9ec55'],
  q7: [20, '09664b3609093fdd49ff39bd3c17679a'],
  q12_total: [377, 'a46fe8a358a55ef4d5c8ee3756083945'],
  q13: [18_400, '36d7c3a38ac624812e076a882b00b814'],
  q14: [4_591, '63cfbd3f41059891c7ea5a05801657e1'],
  q21: [17_517, 'e52bab05a6d2f5d0c6cbfc6ae272b213'],
};

const eventsFile = new URL('../../fixtures/nexmark/events.jsonl.gz', import.meta.url);
const events = gunzipSync(readFileSync(eventsFile))
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as NexmarkEvent);
const sideInput = new Map(Array.from({ length: 10_000 }, (_, key) => [key, `side-${key}`]));

describe('the Nexmark generator', () => {
  it('gives the events of the original, in the order in which they come', () => {
    const generator = new NexmarkGenerator({ baseTime: 1_436_918_300_000, msNumerator: 10, msDenominator: 1 });
    expect(generator.inOrderOfArrival(events.length)).toEqual(events);
  });

  it('gives the lines of the original at another pace', () => {
    const generator = new NexmarkGenerator({ baseTime: 1_436_918_300_000, msNumerator: 1, msDenominator: 10 });
    const hash = createHash('sha256');
    for (let number = 0; number < 100_000; number++) hash.update(`${JSON.stringify(generator.event(number))}\n`);
    expect(hash.digest('hex')).toBe('cb2b7beb7d8ecf40573a17e1496967f4ad8917f8e547b0980c2195deda57fbf5');
  });
});

function run(query: string, parallelism = 2): string[] {
  return runQuery({ query, events, sideInput, parallelism });
}

describe('Nexmark queries', () => {
  it.each(Object.keys(flinkResults))('%s gives what Flink gave', (query) => {
    const result = run(query);
    const md5 = createHash('md5')
      .update(result.map((line) => `${line}\n`).join(''))
      .digest('hex');
    expect([result.length, md5]).toEqual(flinkResults[query]);
  });

  it.each(Object.keys(nexmarkByHand))('%s gives what a plain computation gives', (query) => {
    expect(run(query)).toEqual(nexmarkByHand[query]?.(events));
  });

  it('q12 counts every bid once, whatever the clock does', () => {
    const counts = run('q12').map((line) => (JSON.parse(line) as { bid_count: number }).bid_count);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(18_400);
  });

  it('q5 and q9 give the same at another parallelism', () => {
    for (const query of ['q5', 'q9']) expect(run(query, 3)).toEqual(run(query, 1));
  });

  it('are all tested here', () => {
    expect([...queries.keys()].sort()).toEqual(
      [...Object.keys(flinkResults), ...Object.keys(nexmarkByHand), 'q12'].sort(),
    );
  });

  it('are refused under names that do not exist', () => {
    expect(() => run('q6')).toThrow('there is no query "q6"');
  });
});
