import { describe, expect, it, vi } from 'vitest';
import { expectLedgerRuns, ledgerBatches } from './ledger-batch.js';
import { LedgerRun, type RunOutcome } from './ledger-run.js';
import type { Variant } from './simulated-attempt.js';

vi.mock('node:fs', () => import('../disk/node-fs.js'));
vi.mock('node:fs/promises', () => import('../disk/node-fs-promises.js'));

const TIMEOUT_MS = 300_000;

describe('a service that crashes, whose workers die and whose disks fail, under clients that repeat their requests', () => {
  it.each(ledgerBatches(0, 2).map((seeds) => [seeds[0] ?? 0, seeds] as const))(
    'gives each request its effect and its answer once, and readers each record of output once (seeds from %i)',
    (_first, seeds) => expectLedgerRuns(seeds),
    TIMEOUT_MS,
  );
});

describe('the simulation itself', () => {
  it('goes wrong often enough for its success to mean something', async () => {
    const faults = { crashes: 0, restarts: 0, abortedCheckpoints: 0, completedCheckpoints: 0 };
    for (let seed = 1; seed <= 60; seed++) {
      const outcome = await new LedgerRun(seed).run();
      for (const name of ['crashes', 'restarts', 'abortedCheckpoints', 'completedCheckpoints'] as const) {
        faults[name] += outcome.faults[name];
      }
    }
    expect(faults.crashes).toBeGreaterThan(10);
    expect(faults.restarts).toBeGreaterThan(10);
    expect(faults.completedCheckpoints).toBeGreaterThan(100);
  });

  it('gives the same run for the same seed', async () => {
    const run = (): Promise<RunOutcome> => new LedgerRun(12_345).run();
    expect(await run()).toEqual(await run());
  });

  it.each<Variant>([
    'unaligned',
    'uncommitted-read',
    'forgetful',
    'late-snapshot',
    'asks-again',
    'unsynced-content',
    'unsynced-names',
  ])(
    'finds a service that is wrong: %s',
    async (variant) => {
      for (let seed = 1; seed <= 600; seed++) {
        const { failure } = await new LedgerRun(seed, variant).run();
        if (failure !== null) return;
      }
      expect.fail(`600 runs found nothing wrong with a service that is ${variant}`);
    },
    TIMEOUT_MS,
  );
});
