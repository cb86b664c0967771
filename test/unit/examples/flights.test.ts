import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { findWrongAnswers, sumsBefore } from '../../../examples/flights/check-answers.js';
import { loadFlights } from '../../../examples/flights/load-flights.js';
import { postFlights } from '../../../examples/flights/post-flights.js';
import { ProgressBar } from '../../../examples/flights/progress-bar.js';
import {
  addDelay,
  describeDelays,
  plainAnswers,
  type DelaySums,
  type Flight,
} from '../../../examples/flights/running-delays.js';

function flight(origin: string, delay: number): Flight {
  return { date: '2001/01/01 00:00', delay, distance: 100, origin, destination: 'XYZ' };
}

/** A stand-in for the service: answers in any order across origins, and says how many requests each origin had under way. */
class FlightServer {
  readonly sums = new Map<string, DelaySums>();
  readonly #underWay = new Map<string, number>();
  /** Most requests under way at once: of one origin, and in all. */
  mostOfAnOrigin = 0;
  mostInAll = 0;
  /** Answers this many requests with 503 first. */
  refusals = 0;
  /** Answers with this status instead of taking the flight. */
  failure: number | null = null;
  readonly #server: Server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const posted = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Flight;
      this.#enter(posted.origin);
      // The next turn of the event loop, so that requests overlap as they would.
      setImmediate(() => {
        this.#underWay.set(posted.origin, (this.#underWay.get(posted.origin) ?? 1) - 1);
        const { status, body } = this.#answer(posted);
        outgoing.writeHead(status, { 'content-type': 'application/json', 'retry-after': '0' }).end(body);
      });
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #enter(origin: string): void {
    const ofOrigin = (this.#underWay.get(origin) ?? 0) + 1;
    this.#underWay.set(origin, ofOrigin);
    this.mostOfAnOrigin = Math.max(this.mostOfAnOrigin, ofOrigin);
    let inAll = 0;
    for (const count of this.#underWay.values()) inAll += count;
    this.mostInAll = Math.max(this.mostInAll, inAll);
  }

  #answer(posted: Flight): { status: number; body: string } {
    if (this.failure !== null) return { status: this.failure, body: 'broken' };
    if (this.refusals > 0) {
      this.refusals -= 1;
      return { status: 503, body: '' };
    }
    const sums = addDelay(this.sums.get(posted.origin), posted.delay);
    this.sums.set(posted.origin, sums);
    return { status: 200, body: JSON.stringify(describeDelays(posted.origin, sums)) };
  }
}

describe('plainAnswers', () => {
  it('gives count, mean and maximum of each origin so far', () => {
    expect(plainAnswers([flight('A', 10), flight('B', -5), flight('A', 4), flight('A', -2)])).toEqual([
      { origin: 'A', count: 1, meanDelay: 10, maxDelay: 10 },
      { origin: 'B', count: 1, meanDelay: -5, maxDelay: -5 },
      { origin: 'A', count: 2, meanDelay: 7, maxDelay: 10 },
      { origin: 'A', count: 3, meanDelay: 4, maxDelay: 10 },
    ]);
  });
});

describe('the real flights', () => {
  it('are 20,000 records of the form that the example takes', async () => {
    const flights = await loadFlights();
    expect(flights).toHaveLength(20_000);
    expect(new Set(flights.map(({ origin }) => origin)).size).toBe(220);
    for (const { date, delay, distance, origin, destination } of flights) {
      if (typeof date !== 'string' || !Number.isInteger(delay) || typeof distance !== 'number')
        throw new Error('odd flight');
      if (typeof origin !== 'string' || typeof destination !== 'string') throw new Error('odd airport');
    }
  });
});

describe('postFlights', () => {
  let server = new FlightServer();
  afterEach(async () => {
    await server.close();
    server = new FlightServer();
  });

  it('keeps the flights of an origin in order while origins overlap, and returns the answers in order', async () => {
    const flights = (await loadFlights()).slice(0, 1_500);
    const progress: number[] = [];
    const answers = await postFlights(flights, {
      url: await server.listen(),
      concurrency: 16,
      onProgress: (answered) => progress.push(answered),
    });
    expect(answers).toEqual(plainAnswers(flights));
    expect(server.mostOfAnOrigin).toBe(1);
    expect(server.mostInAll).toBeGreaterThan(1);
    expect(server.mostInAll).toBeLessThanOrEqual(16);
    expect(progress).toEqual(flights.map((_, index) => index + 1));
  });

  it('offers a refused flight again', async () => {
    server.refusals = 5;
    const flights = [flight('A', 1), flight('A', 2), flight('B', 3)];
    expect(await postFlights(flights, { url: await server.listen(), concurrency: 2 })).toEqual(plainAnswers(flights));
  });

  it('fails with what the service said', async () => {
    server.failure = 500;
    const flights = [flight('A', 1), flight('B', 2)];
    await expect(postFlights(flights, { url: await server.listen(), concurrency: 2 })).rejects.toThrow(
      'a flight was answered with 500: broken',
    );
  });
});

describe('findWrongAnswers', () => {
  const flights = [flight('A', 10), flight('A', 4)];

  it('finds every answer that differs, or is missing', () => {
    const right = plainAnswers(flights);
    expect(findWrongAnswers(flights, right)).toEqual([]);
    for (const change of [{ origin: 'B' }, { count: 3 }, { meanDelay: 7.000000001 }, { maxDelay: 4 }]) {
      const wrong = right.map((answer, index) => (index === 1 ? { ...answer, ...change } : answer));
      expect(findWrongAnswers(flights, wrong).map(({ index }) => index)).toEqual([1]);
    }
    expect(findWrongAnswers(flights, right.slice(0, 1)).map(({ actual }) => actual)).toEqual([undefined]);
  });

  it('goes on from what the service knew before', async () => {
    const all = (await loadFlights()).slice(0, 2_000);
    const later = all.slice(1_000);
    const answers = plainAnswers(all).slice(1_000);
    expect(findWrongAnswers(later, answers).length).toBeGreaterThan(0);
    expect(findWrongAnswers(later, answers, sumsBefore(later, answers))).toEqual([]);
  });
});

describe('ProgressBar', () => {
  it('redraws a line on a terminal, seldom, and ends it', () => {
    let now = 0;
    const written: string[] = [];
    const bar = new ProgressBar(4, { isTTY: true, write: (text) => written.push(text) }, () => now);
    bar.update(1);
    now = 50;
    bar.update(2);
    now = 1_000;
    bar.update(3);
    bar.update(4);
    expect(written).toHaveLength(3);
    expect(written[1]).toContain('75 %  3/4  3/s  1 s left');
    expect(written[2]).toContain(`[${'█'.repeat(30)}] 100 %`);
    expect(written[2]?.endsWith('\n')).toBe(true);
  });

  it('writes a line every tenth elsewhere', () => {
    const written: string[] = [];
    const bar = new ProgressBar(100, { write: (text) => written.push(text) }, () => 0);
    for (let done = 1; done <= 100; done++) bar.update(done);
    expect(written.map((line) => line.split(' ')[0])).toEqual([
      '10',
      '20',
      '30',
      '40',
      '50',
      '60',
      '70',
      '80',
      '90',
      '100',
    ]);
  });
});
