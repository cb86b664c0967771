import { STRUCT_HEADER_BYTES, type StructField, type StructLayout, isVarying } from './struct-layout.js';

/** A text up to here is written character by character, without a call into native code. */
const SHORT_TEXT_MAX = 64;

/**
 * The bytes of one struct: scratch memory that a value is written into, and the reading of fields. What a struct's own functions
 * call, and, in a process that forbids code from strings, what stands in for them. One thread.
 */
export class StructBytes {
  /** Over all of {@link upTo}'s memory; another one when that grows. */
  view: DataView;
  /** Behind what has been written. */
  end = 0;
  readonly #layout: StructLayout;
  readonly #slotsEnd: number;
  readonly #check: number;
  #bytes: Buffer;

  constructor(layout: StructLayout) {
    const count = layout.fields.length;
    this.#layout = layout;
    this.#slotsEnd = layout.slotsEnds[count] as number;
    this.#check = layout.checks[count] as number;
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(256, 2 * this.#slotsEnd));
    this.view = new DataView(this.#bytes.buffer);
  }

  /** Begins a value: the slots are to be put next, in order. */
  begin(): void {
    this.view.setUint32(0, this.#layout.fields.length | (this.#check << 16), true);
    this.end = this.#slotsEnd;
  }

  /** What was written up to `end`; valid until the next value. */
  upTo(end: number): Buffer {
    return this.#bytes.subarray(0, end);
  }

  putAbsent(index: number): void {
    const { kind, at, valueAt } = this.#layout.fields[index] as StructField;
    this.view.setUint8(at, 0);
    if (isVarying(kind)) return this.#putEnd(valueAt);
    // Equal values have equal bytes.
    if (kind === 'boolean') this.view.setUint8(valueAt, 0);
    else if (kind === 'int32') this.view.setInt32(valueAt, 0);
    else this.view.setFloat64(valueAt, 0);
  }

  putText(at: number, text: string): void {
    const { length } = text;
    this.#reserve(length * 3);
    if (length > SHORT_TEXT_MAX || !this.#putAscii(text, length)) this.end += this.#bytes.write(text, this.end, 'utf8');
    this.#putEnd(at);
  }

  putBytes(at: number, bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.end);
    this.end += bytes.length;
    this.#putEnd(at);
  }

  putJson(at: number, value: unknown): void {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`struct "${this.#layout.name}": a ${typeof value} has no JSON`);
    this.putText(at, text);
  }

  fail(index: number, value: unknown): never {
    const { name, kind } = this.#layout.fields[index] as StructField;
    const given = value === undefined ? 'missing' : typeof value === 'number' ? String(value) : `a ${typeof value}`;
    throw new TypeError(`struct "${this.#layout.name}": field "${name}" is to be ${kind}, and is ${given}`);
  }

  /** Writes a value field by field. @returns where it ends */
  write(value: object): number {
    this.begin();
    for (const field of this.#layout.fields) {
      const given = (value as Readonly<Record<string, unknown>>)[field.name];
      if (given === undefined && field.isOptional) this.putAbsent(field.index);
      else this.#put(field, given);
    }
    return this.end;
  }

  /**
   * How many of the fields these bytes have.
   *
   * @throws TypeError when they are of another struct
   */
  fieldCountOf(frame: Buffer): number {
    const { name, checks, slotsEnds, fields } = this.#layout;
    const count = frame.length < STRUCT_HEADER_BYTES ? 0 : (frame[0] as number);
    const isKnown = count > 0 && count <= fields.length && frame[1] === 0;
    if (isKnown && frame.length >= (slotsEnds[count] as number) && frame.readUInt16LE(2) === checks[count])
      return count;
    throw new TypeError(`these are no bytes of struct "${name}", as it is declared`);
  }

  /** The value of bytes that have the first so many of the fields. */
  readFields(frame: Buffer, count: number): object {
    const { name, fields } = this.#layout;
    return Object.fromEntries(
      fields.map((field) => {
        if (field.index < count) return [field.name, this.readField(frame, field, count)];
        if (field.isOptional) return [field.name, undefined];
        throw new TypeError(
          `struct "${name}": these bytes are older than its field "${field.name}", which is not optional`,
        );
      }),
    );
  }

  readField(frame: Buffer, field: StructField, count = this.#layout.fields.length): unknown {
    const { kind, at, valueAt, previousAt, isOptional } = field;
    if (isOptional && frame[at] === 0) return undefined;
    switch (kind) {
      case 'boolean':
        return frame[valueAt] === 1;
      case 'int32':
        return frame.readInt32LE(valueAt);
      case 'float64':
        return frame.readDoubleLE(valueAt);
      case 'text':
        return this.textOf(frame, valueAt, previousAt, count);
      case 'bytes':
        return this.bytesOf(frame, valueAt, previousAt, count);
      case 'json':
        return this.jsonOf(frame, valueAt, previousAt, count);
    }
  }

  textOf(frame: Buffer, at: number, previousAt: number, count = this.#layout.fields.length): string {
    const start = this.#startOf(frame, previousAt, count);
    return frame.toString('utf8', start, this.#endOf(frame, at, count, start));
  }

  /** A copy. */
  bytesOf(frame: Buffer, at: number, previousAt: number, count = this.#layout.fields.length): Uint8Array {
    const start = this.#startOf(frame, previousAt, count);
    return new Uint8Array(frame.subarray(start, this.#endOf(frame, at, count, start)));
  }

  jsonOf(frame: Buffer, at: number, previousAt: number, count = this.#layout.fields.length): unknown {
    return JSON.parse(this.textOf(frame, at, previousAt, count));
  }

  #startOf(frame: Buffer, previousAt: number, count: number): number {
    const slotsEnd = this.#layout.slotsEnds[count] as number;
    return previousAt < 0 ? slotsEnd : slotsEnd + frame.readUInt32LE(previousAt);
  }

  #endOf(frame: Buffer, at: number, count: number, start: number): number {
    const end = (this.#layout.slotsEnds[count] as number) + frame.readUInt32LE(at);
    if (start <= end && end <= frame.length) return end;
    throw new RangeError(`struct "${this.#layout.name}": a field lies outside of its bytes`);
  }

  #put(field: StructField, value: unknown): void {
    const { index, kind, at, valueAt, isOptional } = field;
    if (!isKind(kind, value)) this.fail(index, value);
    if (isOptional) this.view.setUint8(at, 1);
    if (kind === 'boolean') this.view.setUint8(valueAt, value === true ? 1 : 0);
    else if (kind === 'int32') this.view.setInt32(valueAt, value as number, true);
    else if (kind === 'float64') this.view.setFloat64(valueAt, value as number, true);
    else if (kind === 'text') this.putText(valueAt, value as string);
    else if (kind === 'bytes') this.putBytes(valueAt, value as Uint8Array);
    else this.putJson(valueAt, value);
  }

  #putEnd(at: number): void {
    this.view.setUint32(at, this.end - this.#slotsEnd, true);
  }

  /** @returns false, with nothing written, for a text that is not ASCII alone */
  #putAscii(text: string, length: number): boolean {
    const bytes = this.#bytes;
    const start = this.end;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 0x7f) return false;
      bytes[start + index] = unit;
    }
    this.end = start + length;
    return true;
  }

  #reserve(bytes: number): void {
    const needed = this.end + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.end);
    this.#bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

function isKind(kind: StructField['kind'], value: unknown): boolean {
  switch (kind) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'int32':
      return typeof value === 'number' && (value | 0) === value;
    case 'float64':
      return typeof value === 'number';
    case 'text':
      return typeof value === 'string';
    case 'bytes':
      return value instanceof Uint8Array;
    case 'json':
      return value !== undefined;
  }
}
