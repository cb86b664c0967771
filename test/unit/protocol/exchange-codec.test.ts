import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../src/protocol/byte-writer.js';
import { encodeRecord, RecordCursor, type TravellingScope } from '../../../src/protocol/exchange-codec.js';

const nowhere = { request: null, originSource: 0, originPartition: -1, originOffset: 0, originTime: 0 };

describe('the scope of a record that comes through an exchange', () => {
  it('is that of the record alone: nothing of the one before it is left', () => {
    const writer = new ByteWriter(256);
    const request = { correlationId: 'c', replyTo: 'r:0', deadline: 9, idempotency: 't:1:name' };
    const first = { request, originSource: 1, originPartition: 2, originOffset: 3, originTime: 4 };
    encodeRecord(writer, Buffer.from('a'), 1, first);
    encodeRecord(writer, Buffer.from('b'), 2, nowhere);
    const cursor = new RecordCursor();
    const scope: TravellingScope = { ...nowhere };
    cursor.open(writer.bytes, 0, writer.length);
    expect(cursor.advance(scope)).toBe(true);
    expect(scope).toEqual(first);
    expect(cursor.advance(scope)).toBe(true);
    expect(scope).toEqual(nowhere);
    expect(cursor.advance(scope)).toBe(false);
  });
});
