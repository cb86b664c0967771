import { invariant } from '../base/invariant.js';
import type { ByteWriter } from './byte-writer.js';
import type { NamedShapes, ObjectShapeWriter } from './object-shape-writer.js';

/**
 * Records in RECORD_BATCH frames, between two tasks.
 *
 * ```text
 * u32 length of what follows
 * u8  flags: 1 timestamp, 2 origin, 4 request, 8 idempotency, 16 the value is a number: f64, 32 trace,
 *     64 the value is an object by its shape: object-shapes.ts
 * [f64 timestamp]
 * [u16 source | u16 partition | f64 offset | f64 time]           where the record came from
 * [u16 length, correlation id | u16 length, reply-to | f64 deadline]   the request that rides along
 * [u16 length, owner]                                            who keeps its answer, of a request with an idempotency key
 * [u16 length, trace context]                                    of a request that is traced
 * value
 * ```
 *
 * Fields that a record does not have cost nothing: a stream of plain values pays five bytes a record.
 */

const HAS_TIMESTAMP = 1;
const HAS_ORIGIN = 2;
const HAS_REQUEST = 4;
const HAS_IDEMPOTENCY = 8;
const IS_NUMBER = 16;
const HAS_TRACE = 32;
const IS_SHAPED = 64;
/** What few requests have. */
const HAS_MORE = HAS_IDEMPOTENCY | HAS_TRACE;

/** The part of a task's record scope that travels with a record. Structurally the operators' `RecordScope`. */
export interface TravellingScope {
  request: {
    readonly correlationId: string;
    readonly replyTo: string;
    readonly deadline: number;
    readonly idempotency?: string;
    readonly trace?: string;
  } | null;
  originSource: number;
  originPartition: number;
  originOffset: number;
  originTime: number;
}

/** Appends one record to a batch. `timestamp` is `-Infinity` for a record without one. */
export function encodeRecord(writer: ByteWriter, value: Uint8Array, timestamp: number, scope: TravellingScope): void {
  const start = encodeHead(writer, 0, value.length, timestamp, scope);
  writer.writeBytes(value);
  writer.patchU32(start, writer.length - start - 4);
}

/** The same for a number, without a serialiser. @returns the bytes of the value */
export function encodeNumberRecord(
  writer: ByteWriter,
  value: number,
  timestamp: number,
  scope: TravellingScope,
): number {
  const start = encodeHead(writer, IS_NUMBER, 8, timestamp, scope);
  writer.reserve(8);
  writer.writeF64(value);
  writer.patchU32(start, writer.length - start - 4);
  return 8;
}

/**
 * The same for an object that has a shape, without the serialiser.
 *
 * @returns the bytes of the value, or -1 when it has none: nothing was written
 * @throws what the serialiser throws for a value within the object: nothing was written
 */
export function encodeShapedRecord(
  writer: ByteWriter,
  value: unknown,
  shapes: ObjectShapeWriter,
  named: NamedShapes,
  timestamp: number,
  scope: TravellingScope,
): number {
  const start = encodeHead(writer, IS_SHAPED, 0, timestamp, scope);
  const valueStart = writer.length;
  let isWritten = false;
  try {
    isWritten = shapes.write(value, writer, named);
  } finally {
    if (!isWritten) writer.length = start;
  }
  if (!isWritten) return -1;
  writer.patchU32(start, writer.length - start - 4);
  return writer.length - valueStart;
}

/** @returns where the record begins */
function encodeHead(
  writer: ByteWriter,
  flags: number,
  valueBytes: number,
  timestamp: number,
  scope: TravellingScope,
): number {
  const start = writer.length;
  const request = scope.request;
  const hasTimestamp = timestamp !== -Infinity;
  const hasOrigin = scope.originPartition >= 0;
  const idempotency = request?.idempotency;
  const trace = request?.trace;
  writer.reserve(4 + 1 + 8 + 20 + valueBytes);
  writer.writeU32(0);
  writer.writeU8(
    flags |
      (hasTimestamp ? HAS_TIMESTAMP : 0) |
      (hasOrigin ? HAS_ORIGIN : 0) |
      (request === null ? 0 : HAS_REQUEST) |
      (idempotency === undefined ? 0 : HAS_IDEMPOTENCY) |
      (trace === undefined ? 0 : HAS_TRACE),
  );
  if (hasTimestamp) writer.writeF64(timestamp);
  if (hasOrigin) {
    writer.writeU16(scope.originSource);
    writer.writeU16(scope.originPartition);
    writer.writeF64(scope.originOffset);
    writer.writeF64(scope.originTime);
  }
  if (request !== null) {
    writer.writeShortText(request.correlationId);
    writer.writeShortText(request.replyTo);
    writer.reserve(8);
    writer.writeF64(request.deadline);
    if (idempotency !== undefined) writer.writeShortText(idempotency);
    if (trace !== undefined) writer.writeShortText(trace);
  }
  return start;
}

/**
 * Walks a RECORD_BATCH frame. {@link advance} fills the given scope and this cursor's fields; the value is {@link number} if
 * {@link isNumber}, else in `frame[valueStart, valueEnd)`: by its shape if {@link isShaped}, else serialised. One instance per
 * reader.
 */
export class RecordCursor {
  timestamp = 0;
  valueStart = 0;
  valueEnd = 0;
  isNumber = false;
  isShaped = false;
  number = 0;
  #frame: Buffer = Buffer.alloc(0);
  #next = 0;
  #end = 0;

  open(frame: Buffer, start: number, end: number): void {
    this.#frame = frame;
    this.#next = start;
    this.#end = end;
  }

  /** Moves to the next record; false at the end of the frame. */
  advance(scope: TravellingScope): boolean {
    if (this.#next >= this.#end) return false;
    const frame = this.#frame;
    let at = this.#next + 4;
    this.valueEnd = at + frame.readUInt32LE(this.#next);
    invariant(this.valueEnd <= this.#end, 'a record lies within its frame');
    const flags = frame[at] as number;
    at += 1;
    if ((flags & HAS_TIMESTAMP) !== 0) {
      this.timestamp = frame.readDoubleLE(at);
      at += 8;
    } else {
      this.timestamp = -Infinity;
    }
    if ((flags & HAS_ORIGIN) !== 0) {
      scope.originSource = frame.readUInt16LE(at);
      scope.originPartition = frame.readUInt16LE(at + 2);
      scope.originOffset = frame.readDoubleLE(at + 4);
      scope.originTime = frame.readDoubleLE(at + 12);
      at += 20;
    } else {
      withoutOrigin(scope);
    }
    at = (flags & HAS_REQUEST) === 0 ? withoutRequest(scope, at) : this.#readRequest(scope, at, flags);
    this.valueStart = at;
    this.isShaped = (flags & IS_SHAPED) !== 0;
    this.isNumber = (flags & IS_NUMBER) !== 0;
    if (this.isNumber) this.number = frame.readDoubleLE(at);
    this.#next = this.valueEnd;
    return true;
  }

  #readRequest(scope: TravellingScope, at: number, flags: number): number {
    const frame = this.#frame;
    const idStart = at + 2;
    const idEnd = idStart + frame.readUInt16LE(at);
    const replyStart = idEnd + 2;
    const replyEnd = replyStart + frame.readUInt16LE(idEnd);
    const end = replyEnd + 8;
    const correlationId = frame.toString('utf8', idStart, idEnd);
    const replyTo = frame.toString('utf8', replyStart, replyEnd);
    const deadline = frame.readDoubleLE(replyEnd);
    scope.request = { correlationId, replyTo, deadline };
    return (flags & HAS_MORE) === 0 ? end : this.#readMore(scope, end, flags);
  }

  #readMore(scope: TravellingScope, start: number, flags: number): number {
    const frame = this.#frame;
    let at = start;
    const text = (): string => {
      const textStart = at + 2;
      at = textStart + frame.readUInt16LE(at);
      return frame.toString('utf8', textStart, at);
    };
    const idempotency = (flags & HAS_IDEMPOTENCY) === 0 ? {} : { idempotency: text() };
    const trace = (flags & HAS_TRACE) === 0 ? {} : { trace: text() };
    if (scope.request !== null) scope.request = { ...scope.request, ...idempotency, ...trace };
    return at;
  }
}

/** Of a record from no topic. Nothing of the record before may be left: what functions draw and see is made of it. */
export function withoutOrigin(scope: TravellingScope): void {
  scope.originSource = 0;
  scope.originPartition = -1;
  scope.originOffset = 0;
  scope.originTime = 0;
}

function withoutRequest(scope: TravellingScope, at: number): number {
  scope.request = null;
  return at;
}
