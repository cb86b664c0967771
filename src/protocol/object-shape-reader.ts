import type { Serde } from '../api/serde.js';
import { compile } from '../base/compile.js';
import { invariant } from '../base/invariant.js';
import {
  ARRAY,
  ASCII,
  FALSE,
  FLOAT64,
  INT32,
  NAMED_HERE,
  NULL,
  OBJECT,
  SERIALISED,
  SHAPES_MAX,
  SHORT_TEXT,
  TRUE,
  UNDEFINED,
  UTF8,
} from './object-shapes.js';

/** Reads the values of an object's fields, in order, and gives the object. */
type ReadObject = (reader: ObjectShapeReader) => unknown;

/** Texts that come again and again, such as names of kinds, need not be made again. A power of two. */
const TEXTS = 256;

/** Longer ones are rarely the same. */
const REPEATED_TEXT_MAX = 24;

/** Reads the objects of one channel: see object-shapes.ts. One thread. */
export class ObjectShapeReader {
  readonly #serde: Serde<unknown>;
  /** By number of the shape. */
  readonly #shapes: (ReadObject | undefined)[] = [];
  readonly #texts: string[] = new Array<string>(TEXTS).fill('');
  #frame: Buffer = Buffer.alloc(0);
  #view = new DataView(this.#frame.buffer);
  #at = 0;
  #end = 0;

  constructor(serde: Serde<unknown>) {
    this.#serde = serde;
  }

  /** The object in `frame[start, end)`. */
  read(frame: Buffer, start: number, end: number): unknown {
    if (frame !== this.#frame) {
      this.#frame = frame;
      this.#view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    }
    this.#at = start;
    this.#end = end;
    const object = this.#readObject();
    invariant(this.#at === end, 'an object fills its place');
    return object;
  }

  /** One field: called by the functions of the shapes. */
  value(): unknown {
    const at = this.#at;
    switch (this.#frame[at]) {
      case INT32:
        this.#at = at + 5;
        return this.#view.getInt32(at + 1, true);
      case FLOAT64:
        this.#at = at + 9;
        return this.#view.getFloat64(at + 1, true);
      case SHORT_TEXT:
        return this.#readShortText(at + 2, this.#frame[at + 1] ?? 0);
      default:
        return this.#readRarer(at);
    }
  }

  #readRarer(at: number): unknown {
    this.#at = at + 1;
    switch (this.#frame[at]) {
      case ASCII:
        return this.#frame.toString('latin1', this.#take(), this.#at);
      case UTF8:
        return this.#frame.toString('utf8', this.#take(), this.#at);
      case OBJECT:
        return this.#readObject();
      case ARRAY:
        return this.#readArray();
      case SERIALISED:
        return this.#serde.deserialise(this.#frame.subarray(this.#take(), this.#at));
      case TRUE:
        return true;
      case FALSE:
        return false;
      case NULL:
        return null;
      default:
        invariant(this.#frame[at] === UNDEFINED, 'a value has a known tag');
        return undefined;
    }
  }

  #readObject(): unknown {
    const number = this.#view.getUint16(this.#at, true);
    this.#at += 2;
    const read = (number & NAMED_HERE) === 0 ? this.#shapes[number] : this.#learn(number ^ NAMED_HERE);
    invariant(read !== undefined, 'a shape is named before it is used');
    return read(this);
  }

  #learn(number: number): ReadObject {
    invariant(number < SHAPES_MAX, 'the number of a shape is below the limit');
    const names = JSON.parse(this.#frame.toString('utf8', this.#take(), this.#at)) as string[];
    return (this.#shapes[number] = createReader(names));
  }

  #readArray(): unknown[] {
    const count = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    invariant(count <= this.#end - this.#at, 'an array has no more values than bytes');
    const values: unknown[] = [];
    for (let index = 0; index < count; index++) values.push(this.value());
    return values;
  }

  /** Passes over a length and as many bytes. @returns where they begin */
  #take(): number {
    const start = this.#at + 4;
    this.#at = start + this.#view.getUint32(this.#at, true);
    invariant(this.#at <= this.#end, 'a value lies within its object');
    return start;
  }

  #readShortText(start: number, length: number): string {
    const frame = this.#frame;
    const end = start + length;
    this.#at = end;
    if (length > REPEATED_TEXT_MAX) return frame.toString('latin1', start, end);
    let hash = length;
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (frame[at] as number)) | 0;
    const place = (hash ^ (hash >>> 15)) & (TEXTS - 1);
    const known = this.#texts[place] as string;
    if (known.length === length && isText(known, frame, start)) return known;
    return (this.#texts[place] = frame.toString('latin1', start, end));
  }
}

function isText(text: string, frame: Buffer, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== frame[start + index]) return false;
  }
  return true;
}

/** Of `{ id, name }`: `return { "id": r.value(), "name": r.value() };` */
function createReader(names: readonly string[]): ReadObject {
  const fields = names.map((name) => `${JSON.stringify(name)}: r.value()`);
  const compiled = compile(['r'], `return { ${fields.join(', ')} };`) as ReadObject | null;
  return (
    compiled ??
    ((reader) => {
      const object: Record<string, unknown> = {};
      for (const name of names) object[name] = reader.value();
      return object;
    })
  );
}
