import { describe, expect, it } from 'vitest';
import { keyGroupOf } from '../../../src/api/internal/key-bytes.js';
import { shardOfKeyGroup, subtaskOfShard } from '../../../src/api/internal/key-groups.js';
import type { ExchangeKind } from '../../../src/graph/execution-plan.js';
import { ChannelOutput } from '../../../src/protocol/channel-output.js';
import { MessagePackSerde } from '../../../src/protocol/msgpack-serde.js';
import { BARRIER, END_OF_INPUT, RECORD_BATCH } from '../../../src/protocol/stream-element.js';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import { InputChannel } from '../../../src/workers/input-channel.js';
import { RecordWriter } from '../../../src/workers/record-writer.js';
import { makeDuplex } from '../../helpers/shared-memory.js';

const SHARDS = 16;
const serde = new MessagePackSerde<unknown>();
const newScope = () => ({ request: null, originSource: 0, originPartition: -1, originOffset: 0, originTime: 0 });

/** A writer over `channelCount` rings, and what has come out of each. */
function setUp(exchange: ExchangeKind, channelCount: number, firstChannel = 0) {
  const ends = Array.from({ length: channelCount }, () => {
    const { a, b, aToB } = makeDuplex(1 << 20);
    return {
      output: new ChannelOutput(new ChannelWriter(aToB, { consumer: new Doorbell(b) }), RECORD_BATCH),
      reader: new ChannelReader(aToB, { producer: new Doorbell(a) }),
    };
  });
  const writer = new RecordWriter({
    exchange,
    channels: ends.map(({ output }) => output),
    key: exchange === 'hash' ? (value) => (value as { key: string }).key : null,
    serde,
    shardCount: SHARDS,
    scope: newScope(),
    firstChannel,
    operatorName: 'the producer',
  });
  const read = (): unknown[][] =>
    ends.map(({ reader }) => {
      const values: unknown[] = [];
      const input = new InputChannel({
        source: reader,
        channel: 0,
        input: 1,
        indexInInput: 0,
        serde,
        topicReader: null,
      });
      const { cursor } = input;
      while (reader.poll()) {
        if (reader.kind === RECORD_BATCH) {
          cursor.open(reader.frame, reader.start, reader.end);
          while (cursor.advance(newScope())) values.push(input.readValue(reader.frame));
        } else values.push(reader.kind === BARRIER ? 'barrier' : reader.kind === END_OF_INPUT ? 'end' : reader.kind);
        reader.release();
      }
      return values;
    });
  return { writer, read };
}

describe('a record writer', () => {
  it.each([1, 2, 3, 5, 16])('sends each of thousands of keys to the subtask of %d that owns its shard', (subtasks) => {
    const { writer, read } = setUp('hash', subtasks);
    const keys = Array.from({ length: 5_000 }, (_, index) => `key-${String((index * 2_654_435_761) % 100_003)}`);
    for (const key of keys) writer.collect({ key }, 1);
    writer.flush();
    const found = read();
    expect(found.flat()).toHaveLength(5_000);
    for (const [subtask, values] of found.entries()) {
      for (const value of values) {
        const { key } = value as { key: string };
        expect(subtaskOfShard(shardOfKeyGroup(keyGroupOf(key), SHARDS), subtasks), key).toBe(subtask);
      }
    }
  });

  it('deals records out evenly, each producer beginning elsewhere', () => {
    const firsts = [0, 1, 2].map((producer) => {
      const { writer, read } = setUp('rebalance', 3, producer);
      for (let index = 0; index < 300; index++) writer.collect(index, 1);
      writer.flush();
      const found = read();
      expect(found.map(({ length }) => length)).toEqual([100, 100, 100]);
      return found.findIndex((values) => values[0] === 0);
    });
    expect(new Set(firsts).size).toBe(3);
  });

  it('gives every channel every record, in order with what is not a record', () => {
    const { writer, read } = setUp('broadcast', 3);
    for (let index = 0; index < 500; index++) {
      writer.collect(index, 1);
      if (index === 249) writer.emitBarrier(1);
    }
    writer.emitEndOfInput();
    const numbers = Array.from({ length: 500 }, (_, index) => index);
    const expected = [...numbers.slice(0, 250), 'barrier', ...numbers.slice(250), 'end'];
    expect(read()).toEqual([expected, expected, expected]);
  });

  it('writes nothing behind the end, where nobody reads', () => {
    const { writer, read } = setUp('hash', 2);
    writer.emitEndOfInput();
    writer.emitBarrier(7);
    expect(read()).toEqual([['end'], ['end']]);
  });

  it('names operator and place of what has no form, and stays usable', () => {
    const { writer, read } = setUp('rebalance', 1);
    const emit = (): void => writer.collect({ list: [0, { f: () => 1 }] }, 1);
    expect(emit).toThrow(expect.objectContaining({ code: 'MILLRACE_SERIALISATION_FAILED' }));
    expect(emit).toThrow(/operator "the producer".*list\[1\]\.f/);
    writer.collect('next', 1);
    writer.flush();
    expect(read()).toEqual([['next']]);
  });
});
