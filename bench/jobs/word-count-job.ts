import { type Collector, defineJob, functionSink } from 'millrace';
import { TimedSink } from './timed-sink.js';

const COUNT = Number(process.env['BENCH_RECORDS'] ?? 1_000_000);
const PARALLELISM = Number(process.env['BENCH_PARALLELISM'] ?? 1);
const WORDS_PER_LINE = 10;
const VOCABULARY = 10_000;

/** Lines of ten words, split, and counted by word: each line gives ten records. */
export default defineJob('word-count', (env) => {
  env
    .fromGenerator((index) => (index < COUNT ? lineOf(index) : undefined))
    .setParallelism(PARALLELISM)
    .flatMap<{ word: string; count: number }>((line, out: Collector<{ word: string; count: number }>) => {
      for (const word of line.split(' ')) out.collect({ word, count: 1 });
    })
    .keyBy(({ word }) => word)
    .reduce((a, b) => ({ word: a.word, count: a.count + b.count }))
    .uid('counts')
    .sinkTo(functionSink(new TimedSink()));
});

const words = Array.from({ length: VOCABULARY }, (_, index) => `word${String(index)}`);

function lineOf(index: number): string {
  let line = '';
  for (let place = 0, at = index * 7_919; place < WORDS_PER_LINE; place++, at += 104_729) {
    line += (place === 0 ? '' : ' ') + (words[at % VOCABULARY] ?? '');
  }
  return line;
}
