import type { Row } from './lib/report.js';

const INTEGER_ITERATIONS = 200_000_000;
const MEMORY_READS = 8_000_000;
const MEMORY_WORDS = (64 * 1024 * 1024) / 4;

/** What the machine gives at this hour: machines differ, so every result is read beside these two. */
export function run(): Promise<Row[]> {
  const integer = integerSeconds();
  const memory = memorySeconds();
  return Promise.resolve([
    { name: 'integer: 200 M multiply-xor', value: integer, unit: 's' },
    { name: 'memory: 8 M random reads of 64 MiB', value: memory, unit: 's' },
  ]);
}

/** @param share of the iterations. @returns the seconds that they took */
export function integerSeconds(share = 1): number {
  const iterations = INTEGER_ITERATIONS * share;
  const startedAt = performance.now();
  let h = 1;
  for (let i = 0; i < iterations; i++) h = Math.imul(h ^ (h >>> 13), 0x5bd1e995) | 0;
  keep(h);
  return (performance.now() - startedAt) / 1000;
}

function memorySeconds(): number {
  const words = new Int32Array(MEMORY_WORDS);
  for (let i = 0; i < MEMORY_WORDS; i++) words[i] = i;
  const startedAt = performance.now();
  let at = 1;
  let sum = 0;
  for (let i = 0; i < MEMORY_READS; i++) {
    at = (Math.imul(at, 1664525) + 1013904223) | 0;
    sum = (sum + (words[(at >>> 8) & (MEMORY_WORDS - 1)] as number)) | 0;
  }
  keep(sum);
  return (performance.now() - startedAt) / 1000;
}

let kept = 0;

/** Uses a result, so that the loop that made it is not optimised away. */
function keep(value: number): void {
  kept = (kept + value) | 0;
}
