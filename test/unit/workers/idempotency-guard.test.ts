import { describe, expect, it } from 'vitest';
import { formatIdempotency, type IdempotencyOptions } from '../../../src/api/internal/idempotency.js';
import type { RecordHeader } from '../../../src/api/internal/record-block.js';
import { shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import type { RequestHandle } from '../../../src/api/process-function.js';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import { encodeTopicRecord, TopicRecordCursor } from '../../../src/protocol/topic-record-codec.js';
import { MemoryStateStore, type MemorySnapshot } from '../../../src/state/memory-state-store.js';
import { type Answer, IdempotencyGuard } from '../../../src/workers/idempotency-guard.js';

const TOPIC = 'shop.requests.orders';
const HOUR = 3_600_000;
const answer: Answer = { status: 201, contentType: 'application/json', body: Buffer.from('{"order":1}') };

interface Sent {
  readonly to: string;
  readonly what: string;
}

interface Sending {
  readonly id: string;
  readonly key?: string;
  readonly body?: string;
  readonly at?: number;
  readonly partition?: number;
  readonly recordKey?: string;
  readonly path?: string;
  readonly options?: Partial<IdempotencyOptions>;
}

/** A guard over state that can be carried into another one, as a checkpoint does. */
class Subtask {
  readonly sent: Sent[] = [];
  readonly guard: IdempotencyGuard;
  readonly #store: MemoryStateStore;

  constructor(restore: readonly MemorySnapshot[] = [], partitions: readonly number[] = [0, 1, 2, 3]) {
    const shards = shardsOfSubtask(0, 1, 4);
    this.#store = new MemoryStateStore({ shardCount: 4, shards, clock: { now: () => 0 }, restore });
    this.guard = new IdempotencyGuard({
      topic: TOPIC,
      partitions,
      backend: this.#store.openBackend('orders'),
      responses: {
        repeat: (handle, { status, body }) =>
          void this.sent.push({ to: handle.correlationId, what: `${String(status)} ${Buffer.from(body).toString()}` }),
        refuse: (handle, code) => void this.sent.push({ to: handle.correlationId, what: code }),
      },
    });
  }

  send({
    id,
    key = 'k',
    body = '{}',
    at = 0,
    partition = 1,
    recordKey,
    path = '/orders',
    options = {},
  }: Sending): RequestHandle | null {
    const line = { method: 'POST', path, route: 'POST /orders', params: {}, query: {}, headers: {} };
    const idempotency = formatIdempotency({ key, ttlMs: 24 * HOUR, whileRunning: 'conflict', ...options });
    const headers = [
      ['millrace-request', Buffer.from(JSON.stringify(line))],
      ['millrace-idempotency', Buffer.from(idempotency)],
    ] as const;
    const cursor = recordOf({ partition, key: recordKey ?? null, value: body, headers, timestamp: at });
    return this.guard.admit(cursor, { correlationId: id, replyTo: 'r:0', deadline: Infinity });
  }

  snapshot(): MemorySnapshot {
    return this.#store.snapshotToMemory();
  }
}

function recordOf(fields: {
  partition: number;
  key: string | null;
  value: string;
  headers: readonly RecordHeader[];
  timestamp: number;
}): TopicRecordCursor {
  const writer = new ByteWriter(64);
  const { key, value } = fields;
  encodeTopicRecord(writer, {
    ...fields,
    offset: 0,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value),
  });
  const cursor = new TopicRecordCursor();
  cursor.open(writer.bytes, 0, writer.length);
  cursor.advance();
  return cursor;
}

function ownerOf(handle: RequestHandle | null): string {
  if (handle?.idempotency === undefined) throw new Error('the request was not admitted');
  return handle.idempotency;
}

describe('requests with an idempotency key', () => {
  it('run once: a repetition gets a conflict while the first runs, and then its very answer, as often as it comes', () => {
    const { guard, sent, send } = bound();
    const first = send({ id: 'a' });
    expect(send({ id: 'b' })).toBeNull();
    guard.keepAnswer(ownerOf(first), 'a', answer);
    expect(send({ id: 'c' })).toBeNull();
    expect(send({ id: 'd' })).toBeNull();
    expect(sent).toEqual([
      { to: 'b', what: 'MILLRACE_IDEMPOTENCY_CONFLICT' },
      { to: 'c', what: '201 {"order":1}' },
      { to: 'd', what: '201 {"order":1}' },
    ]);
  });

  it('wait for the first one where the door says so', () => {
    const { guard, sent, send } = bound();
    const options = { whileRunning: 'wait' } as const;
    const first = send({ id: 'a', options });
    send({ id: 'b', options });
    send({ id: 'c', options });
    expect(sent).toEqual([]);
    guard.keepAnswer(ownerOf(first), 'a', answer);
    expect(sent.map(({ to }) => to)).toEqual(['b', 'c']);
  });

  it('are refused with another payload or path, running or answered', () => {
    const { guard, sent, send } = bound();
    const first = send({ id: 'a', body: '{"n":1}' });
    send({ id: 'b', body: '{"n":2}' });
    guard.keepAnswer(ownerOf(first), 'a', answer);
    send({ id: 'c', body: '{"n":1}', path: '/other' });
    expect(sent.map(({ what }) => what)).toEqual(['MILLRACE_IDEMPOTENCY_MISMATCH', 'MILLRACE_IDEMPOTENCY_MISMATCH']);
  });

  it('know each other by route, record key and client key together', () => {
    const { send } = bound();
    expect(send({ id: 'a', key: 'k', recordKey: 'ada' })).not.toBeNull();
    expect(send({ id: 'b', key: 'k', recordKey: 'ben' })).not.toBeNull();
    expect(send({ id: 'c', key: 'l', recordKey: 'ada' })).not.toBeNull();
    expect(send({ id: 'd', key: 'k', recordKey: 'ada' })).toBeNull();
  });

  it('are remembered over a restore, running and answered ones', () => {
    const before = bound();
    const first = before.send({ id: 'a', key: 'answered' });
    before.guard.keepAnswer(ownerOf(first), 'a', answer);
    const running = before.send({ id: 'b', key: 'running' });
    const after = bound([before.snapshot()]);
    after.send({ id: 'c', key: 'answered' });
    after.send({ id: 'd', key: 'running' });
    after.guard.keepAnswer(ownerOf(running), 'b', answer);
    after.send({ id: 'e', key: 'running' });
    expect(after.sent.map(({ what }) => what)).toEqual([
      '201 {"order":1}',
      'MILLRACE_IDEMPOTENCY_CONFLICT',
      '201 {"order":1}',
    ]);
  });

  it('keep the first answer, and only that of the request that runs', () => {
    const { guard, sent, send } = bound();
    const owner = ownerOf(send({ id: 'a' }));
    guard.keepAnswer(owner, 'somebody else', { ...answer, status: 500 });
    guard.keepAnswer(owner, 'a', answer);
    guard.keepAnswer(owner, 'a', { ...answer, status: 202 });
    send({ id: 'b' });
    expect(sent).toEqual([{ to: 'b', what: '201 {"order":1}' }]);
  });

  it('take an answer that comes back through the log', () => {
    const { guard, sent, send } = bound();
    send({ id: 'a', partition: 2 });
    const name = JSON.stringify(['POST /orders', 'k', null]);
    const headers = [
      ['millrace-correlation-id', Buffer.from('a')],
      ['millrace-status', Buffer.from('409')],
      ['content-type', Buffer.from('text/plain')],
    ] as const;
    guard.takeAnswer(recordOf({ partition: 2, key: null, value: 'sold out', headers, timestamp: 5 }), name);
    send({ id: 'b', partition: 2 });
    expect(sent).toEqual([{ to: 'b', what: '409 sold out' }]);
  });

  it('are forgotten after their time, by the times of the records, and leave nothing behind', () => {
    const { guard, sent, send, snapshot } = bound();
    for (let index = 0; index < 500; index++) {
      const at = index * 10_000;
      guard.keepAnswer(
        ownerOf(send({ id: String(index), key: `k${String(index)}`, at, options: { ttlMs: HOUR } })),
        String(index),
        answer,
      );
    }
    const last = 499 * 10_000;
    expect(send({ id: 'again', key: 'k490', at: last + 1, options: { ttlMs: HOUR } })).toBeNull();
    expect(sent).toHaveLength(1);
    expect(send({ id: 'anew', key: 'k0', at: last + 2, options: { ttlMs: HOUR } })).not.toBeNull();
    expect(rowsOf(snapshot())).toBeGreaterThan(2 * 360);
    // A day later, one request: all those of before go.
    send({ id: 'later', key: 'later', at: last + 24 * HOUR });
    expect(rowsOf(snapshot())).toBe(3);
  });

  it('do not make a record that comes twice wait for itself', () => {
    const { sent, send } = bound();
    send({ id: 'a' });
    expect(send({ id: 'a' })).toBeNull();
    expect(sent).toEqual([]);
  });

  it('run without being remembered when what the record says is no such header', () => {
    const { guard } = bound();
    const headers = [['millrace-idempotency', Buffer.from('gibberish')]] as const;
    const handle = { correlationId: 'a', replyTo: 'r:0', deadline: 1 };
    const record = recordOf({ partition: 0, key: null, value: '', headers, timestamp: 0 });
    expect(guard.admit(record, handle)).toBe(handle);
  });
});

function bound(restore: readonly MemorySnapshot[] = []) {
  const subtask = new Subtask(restore);
  return {
    guard: subtask.guard,
    sent: subtask.sent,
    send: (sending: Sending) => subtask.send(sending),
    snapshot: () => subtask.snapshot(),
  };
}

/** What a restore finds: without the marks of what was removed. */
function rowsOf(snapshot: MemorySnapshot): number {
  const { sections } = new Subtask([snapshot]).snapshot();
  return sections.reduce((sum, { rows }) => sum + rows, 0);
}
