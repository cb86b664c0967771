import type { Serde } from '../api/serde.js';
import { MillraceError } from '../base/errors.js';
import type { ByteWriter } from '../protocol/byte-writer.js';
import { MessagePackSerde } from '../protocol/msgpack-serde.js';
import { plainSchema, ValueSchema } from './value-schema.js';

/**
 * Row values as bytes.
 *
 * ```text
 * header u8: form (low four bits), STAMPED │ [schema version u16] │ [write time f64] │ value
 * list:      header │ [schema version u16] │ item count u32 │ per item: [write time f64] │ length varint │ value
 * ```
 *
 * Form 0 has no schema version, which means 1; form 1 has one. So a value says by itself what a later release, or a later form of
 * the author's type, reads there: see {@link ValueSchema}. A state with a time to live stores the time of writing; one whose time to live was added or removed
 * since reads both forms.
 */

const FORM_PLAIN = 0;
const FORM_VERSIONED = 1;
const FORM_BITS = 0x0f;
const STAMPED_BIT = 0x10;

/** A value with the time of its last write (or read), in milliseconds: what states with a time to live hold. */
export class Stamped {
  readonly value: unknown;
  stamp: number;

  constructor(value: unknown, stamp: number) {
    this.value = value;
    this.stamp = stamp;
  }
}

/** Turns what an entry holds into a row's bytes and back. One instance per state and thread. */
export interface ValueCodec {
  /**
   * The schema version of a value that is a number, if a snapshot may hold it as one: {@link numberCodec} then writes and reads
   * the same bytes. `null` when it may not.
   */
  readonly numberVersion: number | null;
  write(writer: ByteWriter, value: unknown): void;
  read(source: Buffer, start: number, end: number): unknown;
}

/** Writes single values with the state's serialiser; the commonest values of the default one without a call into it. */
class ItemCodec {
  readonly isMessagePack: boolean;
  readonly #serde: Serde<unknown>;

  constructor(serde: Serde<unknown>) {
    this.#serde = serde;
    this.isMessagePack = serde instanceof MessagePackSerde;
  }

  write(writer: ByteWriter, value: unknown): void {
    if (this.isMessagePack && writeShort(writer, value)) return;
    writer.writeBytes(this.#serde.serialise(value));
  }

  /** The same, with the length in front. */
  writeSized(writer: ByteWriter, value: unknown): void {
    const lengthAt = writer.length;
    if (this.isMessagePack) {
      writer.reserve(1);
      writer.length = lengthAt + 1;
      if (writeShort(writer, value)) {
        writer.bytes[lengthAt] = writer.length - lengthAt - 1;
        return;
      }
      writer.length = lengthAt;
    }
    const bytes = this.#serde.serialise(value);
    writeVarint(writer, bytes.length);
    writer.writeBytes(bytes);
  }

  read(source: Buffer, start: number, end: number): unknown {
    if (this.isMessagePack) {
      const tag = source[start] as number;
      if (tag < 0x80) return tag;
      if (tag === 0xcb) return source.readDoubleBE(start + 1);
      if (tag === 0xce) return source.readUInt32BE(start + 1);
      if (tag === 0xcd) return source.readUInt16BE(start + 1);
    }
    return this.#serde.deserialise(source.subarray(start, end));
  }
}

/** The codec of states with one value per row: value, reducing and aggregating states, and entries of a map. */
export class SingleValueCodec implements ValueCodec {
  readonly numberVersion: number | null;
  readonly #items: ItemCodec;
  readonly #isStamped: boolean;
  readonly #schema: ValueSchema;

  constructor(serde: Serde<unknown>, isStamped: boolean, schema: ValueSchema = plainSchema) {
    this.#items = new ItemCodec(serde);
    this.#isStamped = isStamped;
    this.#schema = schema;
    this.numberVersion = this.#items.isMessagePack && !isStamped ? schema.version : null;
  }

  write(writer: ByteWriter, value: unknown): void {
    writer.reserve(HEADER_BYTES_MAX);
    const isStamped = this.#isStamped && value instanceof Stamped;
    writeHeader(writer, this.#schema.version, isStamped);
    if (isStamped) {
      writer.writeF64(value.stamp);
      this.#items.write(writer, value.value);
    } else this.#items.write(writer, value);
  }

  read(source: Buffer, start: number, end: number): unknown {
    const header = source[start] as number;
    const version = versionOf(source, start);
    let at = start + headerBytes(header);
    const hasStamp = (header & STAMPED_BIT) !== 0;
    // Written before the state had a time to live: it counts as written long ago only once it is read or written again.
    const stamp = hasStamp ? source.readDoubleLE(at) : Infinity;
    if (hasStamp) at += 8;
    const stored = this.#items.read(source, at, end);
    const value = version === this.#schema.version ? stored : this.#schema.migrate(version, stored);
    return this.#isStamped ? new Stamped(value, stamp) : value;
  }
}

const numberCodecs = new Map<number, ValueCodec>();

/** What writes numbers as a {@link SingleValueCodec} with a `numberVersion` does. */
export function numberCodec(version: number): ValueCodec {
  let codec = numberCodecs.get(version);
  if (codec === undefined) {
    codec = new SingleValueCodec(new MessagePackSerde<unknown>(), false, new ValueSchema({ version }));
    numberCodecs.set(version, codec);
  }
  return codec;
}

/** The codec of list states: a row holds the whole list. */
export class ListCodec implements ValueCodec {
  readonly numberVersion = null;
  readonly #items: ItemCodec;
  readonly #isStamped: boolean;
  readonly #schema: ValueSchema;

  constructor(serde: Serde<unknown>, isStamped: boolean, schema: ValueSchema = plainSchema) {
    this.#items = new ItemCodec(serde);
    this.#isStamped = isStamped;
    this.#schema = schema;
  }

  write(writer: ByteWriter, value: unknown): void {
    const list = value as readonly unknown[];
    writer.reserve(HEADER_BYTES_MAX);
    writeHeader(writer, this.#schema.version, this.#isStamped);
    writer.writeU32(list.length);
    for (let index = 0; index < list.length; index++) {
      if (!this.#isStamped) {
        this.#items.writeSized(writer, list[index]);
        continue;
      }
      const item = list[index] as Stamped;
      writer.reserve(8);
      writer.writeF64(item.stamp);
      this.#items.writeSized(writer, item.value);
    }
  }

  read(source: Buffer, start: number, end: number): unknown {
    const header = source[start] as number;
    const version = versionOf(source, start);
    const isPresent = version === this.#schema.version;
    const hasStamps = (header & STAMPED_BIT) !== 0;
    let at = start + headerBytes(header);
    const count = source.readUInt32LE(at);
    at += 4;
    const list: unknown[] = [];
    for (let index = 0; index < count; index++) {
      const stamp = hasStamps ? source.readDoubleLE(at) : Infinity;
      if (hasStamps) at += 8;
      let length = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = source[at++] as number;
        length |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      const stored = this.#items.read(source, at, at + length);
      const item = isPresent ? stored : this.#schema.migrate(version, stored);
      list.push(this.#isStamped ? new Stamped(item, stamp) : item);
      at += length;
    }
    if (at !== end) throw new MillraceError('MILLRACE_STATE_CORRUPT', 'a stored list does not fill its row');
    return list;
  }
}

/** The codec of rows that only exist or not: timers. */
export class PresenceCodec implements ValueCodec {
  readonly numberVersion = null;

  write(writer: ByteWriter): void {
    writer.reserve(1);
    writer.writeU8(FORM_PLAIN);
  }

  read(source: Buffer, start: number): unknown {
    versionOf(source, start);
    return true;
  }
}

/** The schema version that a value is stored with. */
export function storedVersion(value: Buffer): number {
  return versionOf(value, 0);
}

/** Of header, schema version, write time or item count, and some to spare. */
const HEADER_BYTES_MAX = 16;

function writeHeader(writer: ByteWriter, version: number, isStamped: boolean): void {
  const stamped = isStamped ? STAMPED_BIT : 0;
  if (version === 1) {
    writer.writeU8(FORM_PLAIN | stamped);
    return;
  }
  writer.writeU8(FORM_VERSIONED | stamped);
  writer.writeU16(version);
}

/** Length of header and schema version. */
function headerBytes(header: number): number {
  return (header & FORM_BITS) === FORM_VERSIONED ? 3 : 1;
}

/** The schema version of the value that begins at `start`. */
function versionOf(source: Buffer, start: number): number {
  const form = (source[start] as number) & FORM_BITS;
  if (form === FORM_PLAIN) return 1;
  if (form === FORM_VERSIONED) return source.readUInt16LE(start + 1);
  throw new MillraceError('MILLRACE_STATE_INCOMPATIBLE', `a stored value has the form ${form}`, {
    hint: `This release reads forms up to ${FORM_VERSIONED}: run the release that wrote the state, or a newer one.`,
  });
}

function writeVarint(writer: ByteWriter, value: number): void {
  writer.reserve(5);
  let rest = value;
  while (rest >= 0x80) {
    writer.writeU8((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  writer.writeU8(rest);
}

const SHORT_TEXT_MAX = 31;

/**
 * Writes a number, boolean, null or short ASCII string as MessagePack, without a call into msgpackr; at most 32 bytes.
 *
 * @returns false when it is something else; nothing has been written then.
 */
function writeShort(writer: ByteWriter, value: unknown): boolean {
  writer.reserve(SHORT_TEXT_MAX + 1);
  if (typeof value === 'number') {
    writeNumber(writer, value);
    return true;
  }
  if (typeof value === 'string') return writeShortText(writer, value);
  if (typeof value === 'boolean') {
    writer.writeU8(value ? 0xc3 : 0xc2);
    return true;
  }
  if (value !== null) return false;
  writer.writeU8(0xc0);
  return true;
}

function writeNumber(writer: ByteWriter, value: number): void {
  const { bytes, length: at } = writer;
  if (value >>> 0 !== value || Object.is(value, -0)) {
    bytes[at] = 0xcb;
    bytes.writeDoubleBE(value, at + 1);
    writer.length = at + 9;
  } else if (value < 0x80) {
    bytes[at] = value;
    writer.length = at + 1;
  } else if (value < 0x10000) {
    bytes[at] = 0xcd;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value;
    writer.length = at + 3;
  } else {
    bytes[at] = 0xce;
    bytes.writeUInt32BE(value, at + 1);
    writer.length = at + 5;
  }
}

function writeShortText(writer: ByteWriter, value: string): boolean {
  const length = value.length;
  if (length > SHORT_TEXT_MAX) return false;
  const { bytes, length: at } = writer;
  for (let index = 0; index < length; index++) {
    const unit = value.charCodeAt(index);
    if (unit > 0x7f) return false;
    bytes[at + 1 + index] = unit;
  }
  bytes[at] = 0xa0 | length;
  writer.length = at + 1 + length;
  return true;
}
