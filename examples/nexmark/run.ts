import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { NexmarkEvent } from './events.js';
import { runQuery } from './run-query.js';

// npm run nexmark -- --query q5 --input FILE --output FILE [--parallelism N] [--side FILE]
const { values } = parseArgs({
  options: {
    query: { type: 'string' },
    input: { type: 'string' },
    output: { type: 'string' },
    parallelism: { type: 'string', default: '1' },
    side: { type: 'string' },
  },
});
const { query, input, output } = values;
if (query === undefined || input === undefined || output === undefined) {
  console.error('usage: npm run nexmark -- --query q5 --input FILE --output FILE [--parallelism N] [--side FILE]');
  process.exit(2);
}

const events = readLines<NexmarkEvent>(input);
const sideFile = values.side ?? join(dirname(input), 'side_input.jsonl');
const sideInput = new Map(
  query === 'q13' ? readLines<{ key: number; value: string }>(sideFile).map(({ key, value }) => [key, value]) : [],
);
const lines = runQuery({ query, events, sideInput, parallelism: Number(values.parallelism) });
writeFileSync(output, lines.map((line) => `${line}\n`).join(''));
console.log(`${query}: ${events.length} events, ${lines.length} rows`);

function readLines<T>(file: string): T[] {
  const text = readFileSync(file, 'utf8').trimEnd();
  return text.split('\n').map((line) => JSON.parse(line) as T);
}
