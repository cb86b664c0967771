import { describe, expect, test } from 'vitest';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { RingConsumer, RingProducer } from '../../../src/shared-memory/spsc-ring.js';
import { FixtureWorker, makeDuplex, runFixtures } from '../../helpers/shared-memory.js';
import type { Duplex } from '../../helpers/shared-memory.js';

interface PingPongResult {
  readonly received: number;
  readonly outOfOrder: number;
  readonly sleeps: number;
  /** Sleeps taken back because a frame came between the announcement and the last look: the race itself. */
  readonly cancelled: number;
}

const RING_BYTES = 1024;
const LOST = /a wake-up was lost/;

interface Game {
  readonly order: 'right' | 'wrong';
  readonly frameCount: number;
  /** A sleep that lasts longer, with a frame in the ring, is a lost wake-up: the side that lost it throws. */
  readonly sleepLimitMs: number;
}

function sides(duplex: Duplex, game: Game): object[] {
  const { a, b, aToB, bToA } = duplex;
  return [
    { ...game, isStarter: true, own: a, peer: b, outRing: aToB, inRing: bToA, seed: 1 },
    { ...game, isStarter: false, own: b, peer: a, outRing: bToA, inRing: aToB, seed: 2 },
  ];
}

describe('one frame at a time between two threads that sleep for real', () => {
  test('a million frames lose no wake-up', { timeout: 120_000 }, async () => {
    const game: Game = { order: 'right', frameCount: 1_000_000, sleepLimitMs: 5_000 };
    const results = await runFixtures<PingPongResult>('ping-pong-worker.mjs', sides(makeDuplex(RING_BYTES), game));

    for (const result of results) {
      expect(result).toMatchObject({ received: 500_000, outOfOrder: 0 });
      expect(result.sleeps).toBeGreaterThan(20_000);
    }
    // Frames did come in while a side was about to sleep: the game was played where wake-ups get lost.
    expect(results.reduce((sum, { cancelled }) => sum + cancelled, 0)).toBeGreaterThan(0);
  });

  test(
    'the same game finds a producer that looks at the sleep flag before its frame is visible',
    { timeout: 120_000 },
    async () => {
      // As many as it takes: some ten thousand on an idle machine.
      const game: Game = { order: 'wrong', frameCount: 1_000_000_000, sleepLimitMs: 100 };
      await expect(runFixtures('ping-pong-worker.mjs', sides(makeDuplex(RING_BYTES), game))).rejects.toThrow(LOST);
    },
  );

  test(
    'the main thread plays 20,000 round trips with asynchronous sleeps, and loses no wake-up',
    { timeout: 60_000 },
    async () => {
      const roundTrips = 20_000;
      const duplex = makeDuplex(RING_BYTES);
      const game: Game = { order: 'right', frameCount: roundTrips * 2, sleepLimitMs: 5_000 };
      const worker = new FixtureWorker<PingPongResult>('ping-pong-worker.mjs', sides(duplex, game)[1]);
      try {
        const [own, peer] = await Promise.all([playStarter(duplex, roundTrips), worker.result]);
        expect(own).toMatchObject({ received: roundTrips, outOfOrder: 0 });
        expect(own.sleeps).toBeGreaterThan(roundTrips / 2);
        expect(peer).toMatchObject({ received: roundTrips, outOfOrder: 0 });
      } finally {
        await worker.stop();
      }
    },
  );
});

/** The main thread's side of the game. */
async function playStarter(duplex: Duplex, roundTrips: number): Promise<Omit<PingPongResult, 'cancelled'>> {
  const doorbell = new Doorbell(duplex.a);
  const peerDoorbell = new Doorbell(duplex.b);
  const producer = new RingProducer(duplex.aToB, { consumer: peerDoorbell });
  const consumer = new RingConsumer(duplex.bToA, { producer: peerDoorbell });
  const payload = Buffer.alloc(8);
  const result = { received: 0, outOfOrder: 0, sleeps: 0 };
  for (let trip = 0; trip < roundTrips; trip++) {
    payload.writeDoubleLE(trip * 2);
    producer.tryWrite(1, payload, 0, 8);
    producer.publish();
    while (!consumer.poll()) {
      const seen = doorbell.prepareToSleep();
      if (!consumer.isEmpty()) {
        doorbell.cancelSleep();
        continue;
      }
      result.sleeps++;
      const startedMs = performance.now();
      await doorbell.sleepAsync(seen, 5_000);
      if (performance.now() - startedMs >= 5_000 && !consumer.isEmpty()) throw new Error('a wake-up was lost');
    }
    result.received++;
    if (consumer.frame.readDoubleLE(consumer.start) !== trip * 2 + 1) result.outOfOrder++;
  }
  return result;
}
