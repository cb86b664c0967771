import { describe, expect, test } from 'vitest';
import { makeDuplex, runFixtures } from '../../helpers/shared-memory.js';

interface DuplexResult {
  readonly sent: number;
  readonly received: number;
  readonly outOfOrder: number;
  readonly backPressured: number;
  readonly sleeps: number;
  readonly sleepsBackPressured: number;
}

describe('two threads that fill each other’s tiny ring', () => {
  test.each([64, 256, 2048])(
    'do not lock each other out with rings of %i bytes',
    { timeout: 60_000 },
    async (bytes) => {
      const frameCount = 100_000;
      const { a, b, aToB, bToA } = makeDuplex(bytes);
      const common = { frameCount, sleepLimitMs: 5_000 };
      const results = await runFixtures<DuplexResult>('duplex-worker.mjs', [
        { ...common, own: a, peer: b, outRing: aToB, inRing: bToA, seed: 5 },
        { ...common, own: b, peer: a, outRing: bToA, inRing: aToB, seed: 6 },
      ]);

      for (const result of results) {
        expect(result).toMatchObject({ sent: frameCount, received: frameCount, outOfOrder: 0 });
        expect(result.backPressured).toBeGreaterThan(100);
        // Woken for room, not only for frames.
        expect(result.sleepsBackPressured).toBeGreaterThan(0);
      }
    },
  );
});
