/** Seeds that failed once, by simulation. They run before any other, for ever. */
export const regressions: Readonly<Record<string, readonly number[]>> = {
  'checkpoint/exactly-once': [],
  'job/ledger': [271, 479, 3320, 4279, 7201],
};
