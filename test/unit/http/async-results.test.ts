import { describe, expect, it } from 'vitest';

import { AsyncResults } from '../../../src/http/async-results.js';
import { TimerWheel } from '../../../src/http/timer-wheel.js';
import type { Reply } from '../../../src/main/job-control.js';
import { ManualTime } from '../../helpers/manual-time.js';

const TTL_MS = 1_000;

function makeResults(options: { countMax?: number; bytesMax?: number } = {}) {
  const time = new ManualTime();
  const wheel = new TimerWheel({ clock: time, alarm: time, tickMs: 1 });
  const results = new AsyncResults({
    clock: time,
    wheel,
    countMax: options.countMax ?? 3,
    bytesMax: options.bytesMax ?? 100_000,
    ttlMs: TTL_MS,
  });
  return { time, results };
}

function reply(id: string, body = 'x'): Reply {
  const bytes = Buffer.from(body);
  return {
    correlationId: id as Reply['correlationId'],
    status: 200,
    contentType: 'text/plain',
    body: bytes,
    timestamp: 5,
  };
}

describe('AsyncResults', () => {
  it('says of a request that it runs, then what it answered, then nothing', () => {
    const { time, results } = makeResults();
    expect(results.find('a')).toBeUndefined();
    expect(results.expect('a', 5_000)).toBe(true);
    expect(results.find('a')).toMatchObject({ result: null });
    time.pass(4_000);
    expect(results.accept(reply('a', 'done'))).toBe(true);
    expect(results.find('a')?.result).toMatchObject({ status: 200, contentType: 'text/plain', timestamp: 5 });
    expect(String(results.find('a')?.result?.body)).toBe('done');
    time.pass(TTL_MS + 1);
    expect(results.find('a')).toBeUndefined();
    expect([results.count, results.bytes]).toEqual([0, 0]);
  });

  it('waits for a running request until its time and the time to live are over', () => {
    const { time, results } = makeResults();
    results.expect('a', 5_000);
    time.pass(5_000 + TTL_MS - 1);
    expect(results.runningCount).toBe(1);
    time.pass(2);
    expect(results.find('a')).toBeUndefined();
  });

  it('keeps its own copy of a body', () => {
    const { results } = makeResults();
    results.expect('a', 1);
    const lent = reply('a', 'mine');
    results.accept(lent);
    lent.body.fill(0);
    expect(String(results.find('a')?.result?.body)).toBe('mine');
  });

  it('makes room with what was promised to nobody, then with the oldest finished result, and never with a running one', () => {
    const { results } = makeResults({ countMax: 3 });
    results.expect('running', 100);
    results.expect('finished', 100);
    results.accept(reply('finished'));
    results.accept(reply('unpromised'));
    expect(results.expect('second', 100)).toBe(true);
    expect([results.find('unpromised'), results.find('finished') === undefined]).toEqual([undefined, false]);
    expect(results.expect('third', 100)).toBe(true);
    expect(results.find('finished')).toBeUndefined();
    expect(results.expect('fourth', 100)).toBe(false);
    expect(results.runningCount).toBe(3);
    // Nor may a reply to nobody push out what was promised.
    expect(results.accept(reply('stranger'))).toBe(false);
    expect(results.runningCount).toBe(3);
  });

  it('does not let a reply to nobody push out a finished result', () => {
    const { results } = makeResults({ countMax: 2 });
    for (const id of ['a', 'b']) {
      results.expect(id, 100);
      results.accept(reply(id));
    }
    expect(results.accept(reply('stranger'))).toBe(false);
    expect([results.find('a') === undefined, results.find('b') === undefined]).toEqual([false, false]);
  });

  it('stays within its bytes, and forgets a request whose answer alone is larger', () => {
    const { results } = makeResults({ countMax: 100, bytesMax: 5_000 });
    for (const id of ['a', 'b', 'c', 'd']) {
      results.expect(id, 100);
      results.accept(reply(id, 'x'.repeat(1_500)));
      expect(results.bytes).toBeLessThanOrEqual(5_000);
    }
    expect([results.find('a'), results.find('b')]).toEqual([undefined, undefined]);
    expect(results.find('d')?.result?.body.length).toBe(1_500);
    results.expect('giant', 100);
    expect(results.accept(reply('giant', 'x'.repeat(6_000)))).toBe(false);
    expect(results.find('giant')).toBeUndefined();
    expect(results.bytes).toBeLessThanOrEqual(5_000);
  });

  it('takes a reply that came before its promise', () => {
    const { results } = makeResults();
    results.accept(reply('a', 'early'));
    expect(results.expect('a', 100)).toBe(true);
    expect(String(results.find('a')?.result?.body)).toBe('early');
    expect(results.runningCount).toBe(0);
  });

  it('keeps one entry of a request that is promised twice', () => {
    const { time, results } = makeResults();
    results.expect('a', 5_000);
    results.expect('a', 100);
    expect([results.count, results.bytes]).toEqual([1, 512]);
    time.pass(4_000);
    expect(results.find('a')).toMatchObject({ result: null });
    results.accept(reply('a'));
    expect(results.expect('a', 9_000)).toBe(true);
    expect(String(results.find('a')?.result?.body)).toBe('x');
    time.pass(20_000);
    expect([results.count, results.bytes]).toEqual([0, 0]);
  });

  it('forgets on demand', () => {
    const { time, results } = makeResults();
    results.expect('a', 100);
    results.forget('a');
    results.forget('unknown');
    expect(results.find('a')).toBeUndefined();
    time.pass(10_000);
    expect([results.count, results.bytes]).toEqual([0, 0]);
  });
});
