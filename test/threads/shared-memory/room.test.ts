import { describe, expect, test } from 'vitest';
import { makeDuplex, runFixtures } from '../../helpers/shared-memory.js';

interface RoomResult {
  readonly frames: number;
  readonly outOfOrder: number;
  readonly sleeps: number;
  /** Sleeps taken back because the last look found something: the race itself. */
  readonly cancelled: number;
}

interface Game {
  readonly defect: 'none' | 'looks before it marks' | 'looks at the mark before it gives back';
  readonly frameCount: number;
  /** A sleep that lasts longer, with work to do, is a lost wake-up: the side that lost it throws. */
  readonly sleepLimitMs: number;
}

function sides(game: Game): object[] {
  const { a, b, aToB } = makeDuplex(64);
  const common = { ...game, ring: aToB };
  return [
    { ...common, role: 'producer', own: a, peer: b, seed: 3 },
    { ...common, role: 'consumer', own: b, peer: a, seed: 4 },
  ];
}

describe('a producer that sleeps for room in a ring of two frames', () => {
  test('is woken every time', { timeout: 120_000 }, async () => {
    const game: Game = { defect: 'none', frameCount: 150_000, sleepLimitMs: 5_000 };
    const [producer, consumer] = await runFixtures<RoomResult>('room-worker.mjs', sides(game));

    expect(producer).toMatchObject({ frames: 150_000 });
    expect(consumer).toMatchObject({ frames: 150_000, outOfOrder: 0 });
    expect(producer?.sleeps).toBeGreaterThan(2_000);
    // A side was about to sleep when the other made a move: the game was played where wake-ups get lost.
    expect((producer?.cancelled ?? 0) + (consumer?.cancelled ?? 0)).toBeGreaterThan(0);
  });

  test.each(['looks before it marks', 'looks at the mark before it gives back'] as const)(
    'is found asleep by the same game when one end %s',
    { timeout: 120_000 },
    async (defect) => {
      const game: Game = { defect, frameCount: 1_000_000_000, sleepLimitMs: 100 };
      await expect(runFixtures('room-worker.mjs', sides(game))).rejects.toThrow(/a wake-up was lost/);
    },
  );
});
