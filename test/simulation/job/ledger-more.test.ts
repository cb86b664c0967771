import { describe, it, vi } from 'vitest';
import { expectLedgerRuns, ledgerBatches } from './ledger-batch.js';

vi.mock('node:fs', () => import('../disk/node-fs.js'));
vi.mock('node:fs/promises', () => import('../disk/node-fs-promises.js'));

const TIMEOUT_MS = 300_000;
const batches = ledgerBatches(1, 2);

// The other half of the seeds, in a file of its own so that two processes share the work.
describe.skipIf(batches.length === 0)('a service that crashes, with other seeds', () => {
  it.each(batches.map((seeds) => [seeds[0] ?? 0, seeds] as const))(
    'gives each request its effect and its answer once, and readers each record of output once (seeds from %i)',
    (_first, seeds) => expectLedgerRuns(seeds),
    TIMEOUT_MS,
  );

  it.skipIf(batches.length > 0)('has no seed to run here', () => undefined);
});
