import { expect, test } from 'vitest';
import { makeDuplex, runFixtures } from '../../helpers/shared-memory.js';

interface SoakResult {
  readonly frames: number;
  readonly payloadBytes: number;
  readonly failures: readonly string[];
  readonly sleeps: number;
  readonly stalls: number;
}

test(
  'five million frames of random length arrive whole and in order, whatever stalls',
  { timeout: 120_000 },
  async () => {
    const frameCount = 5_000_000;
    const { a, b, aToB } = makeDuplex(64 * 1024);
    const common = { frameCount, ring: aToB, seed: 20_260, sleepLimitMs: 5_000 };
    const [producer, consumer] = await runFixtures<SoakResult>('soak-worker.mjs', [
      { ...common, role: 'producer', own: a, peer: b },
      { ...common, role: 'consumer', own: b, peer: a },
    ]);

    expect(consumer).toMatchObject({ frames: frameCount, failures: [], payloadBytes: producer?.payloadBytes });
    expect(producer).toMatchObject({ frames: frameCount });
    // The ring was found full and empty many times over.
    expect(producer?.sleeps).toBeGreaterThan(100);
    expect(consumer?.sleeps).toBeGreaterThan(100);
    expect(producer?.stalls).toBeGreaterThan(100);
  },
);
