import { compile } from '../base/compile.js';
import type { Serde } from '../api/serde.js';
import type { ByteWriter } from './byte-writer.js';
import {
  ARRAY,
  ASCII,
  DEPTH_MAX,
  FALSE,
  FIELDS_MAX,
  FLOAT64,
  INT32,
  NAMED_HERE,
  NULL,
  OBJECT,
  SERIALISED,
  SHAPES_MAX,
  SHORT_TEXT,
  SHORT_TEXT_MAX,
  TRUE,
  UNDEFINED,
  UTF8,
} from './object-shapes.js';

type Fields = Readonly<Record<string, unknown>>;

/** What one kind of objects has in common. */
interface Shape {
  readonly number: number;
  /** JSON of the names. */
  readonly names: Buffer;
  /** Whether the object has these fields in this order, and no others. */
  matches(object: Fields): boolean;
  /** Writes the values. */
  write(object: Fields, writer: ObjectShapeWriter): void;
}

/** Which shapes a channel has named. One per channel, or per batch that goes to several. */
export class NamedShapes {
  readonly #isNamed = new Uint8Array(SHAPES_MAX);
  /** Since the last {@link confirm}. */
  readonly #recent: number[] = [];

  has(shape: number): boolean {
    return this.#isNamed[shape] === 1;
  }

  add(shape: number): void {
    this.#isNamed[shape] = 1;
    this.#recent.push(shape);
  }

  /** What was named is on its way. */
  confirm(): void {
    if (this.#recent.length > 0) this.#recent.length = 0;
  }

  /** What was named since then never left. */
  revoke(): void {
    for (const shape of this.#recent) this.#isNamed[shape] = 0;
    this.#recent.length = 0;
  }
}

/**
 * Writes the objects of one edge: see object-shapes.ts. Learns shapes as it meets them. One thread.
 */
export class ObjectShapeWriter {
  readonly #serde: Serde<unknown>;
  readonly #shapes: Shape[] = [];
  /** The one met last: the next object most often has it too. */
  #latest: Shape | null = null;
  #depth = 0;
  // Where the object that is being written goes.
  #out: ByteWriter;
  #named: NamedShapes;

  /** @param serde for values that are neither plain objects, nor arrays, nor simple */
  constructor(serde: Serde<unknown>, out: ByteWriter) {
    this.#serde = serde;
    this.#out = out;
    this.#named = new NamedShapes();
  }

  /**
   * Appends an object, if it is of a kind that has a shape.
   *
   * @returns false when it is not: nothing was written
   * @throws whatever the serialiser throws for a value within; part of the object may have been written then, which the caller
   *   cuts off
   */
  write(value: unknown, out: ByteWriter, named: NamedShapes): boolean {
    const shape = this.#shapeOf(value);
    if (shape === null) return false;
    this.#out = out;
    this.#named = named;
    this.#depth = 0;
    try {
      this.#writeObject(shape, value as Fields);
    } catch (error) {
      named.revoke();
      throw error;
    }
    named.confirm();
    return true;
  }

  /** One field: called by the functions of the shapes. */
  value(value: unknown): void {
    switch (typeof value) {
      case 'number':
        return this.#writeNumber(value);
      case 'string':
        return this.#writeText(value);
      case 'boolean':
        return this.#writeTag(value ? TRUE : FALSE);
      case 'undefined':
        return this.#writeTag(UNDEFINED);
      case 'object':
        return value === null ? this.#writeTag(NULL) : this.#writeReference(value);
      default:
        return this.#writeSerialised(value);
    }
  }

  #writeObject(shape: Shape, object: Fields): void {
    const out = this.#out;
    const { number, names } = shape;
    if (this.#named.has(number)) {
      out.reserve(2);
      out.writeU16(number);
    } else {
      out.reserve(6);
      out.writeU16(number | NAMED_HERE);
      out.writeU32(names.length);
      out.writeBytes(names);
      this.#named.add(number);
    }
    shape.write(object, this);
  }

  #writeReference(value: object): void {
    if (this.#depth === DEPTH_MAX) return this.#writeSerialised(value);
    this.#depth++;
    if (Array.isArray(value) && value.constructor === Array) {
      this.#writeArray(value);
    } else {
      const shape = this.#shapeOf(value);
      if (shape === null) {
        this.#writeSerialised(value);
      } else {
        this.#writeTag(OBJECT);
        this.#writeObject(shape, value as Fields);
      }
    }
    this.#depth--;
  }

  #writeArray(values: readonly unknown[]): void {
    const out = this.#out;
    out.reserve(5);
    out.writeU8(ARRAY);
    out.writeU32(values.length);
    for (let index = 0; index < values.length; index++) this.value(values[index]);
  }

  #writeTag(tag: number): void {
    this.#out.reserve(1);
    this.#out.writeU8(tag);
  }

  #writeNumber(value: number): void {
    const out = this.#out;
    out.reserve(9);
    // Minus zero is no integer.
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      out.writeU8(INT32);
      out.writeI32(value);
    } else {
      out.writeU8(FLOAT64);
      out.writeF64(value);
    }
  }

  #writeText(text: string): void {
    const { length } = text;
    const out = this.#out;
    out.reserve(5 + length * 3);
    if (length <= SHORT_TEXT_MAX && out.writeShortAscii(SHORT_TEXT, text)) return;
    const start = out.length;
    out.length += 5;
    const written = out.writeUtf8(text);
    // A character beyond ASCII takes more bytes than code units.
    out.bytes[start] = written === length ? ASCII : UTF8;
    out.patchU32(start + 1, written);
  }

  #writeSerialised(value: unknown): void {
    const bytes = this.#serde.serialise(value);
    const out = this.#out;
    out.reserve(5);
    out.writeU8(SERIALISED);
    out.writeU32(bytes.length);
    out.writeBytes(bytes);
  }

  /** `null` for what goes through the serialiser: instances of classes, objects of too many kinds. */
  #shapeOf(value: unknown): Shape | null {
    if (typeof value !== 'object' || value === null || value.constructor !== Object) return null;
    const object = value as Fields;
    const latest = this.#latest;
    if (latest?.matches(object) === true) return latest;
    for (const shape of this.#shapes) if (shape.matches(object)) return (this.#latest = shape);
    return this.#learn(object);
  }

  #learn(object: Fields): Shape | null {
    const names = Object.keys(object);
    if (this.#shapes.length === SHAPES_MAX || names.length > FIELDS_MAX || names.includes('__proto__')) return null;
    const shape = createShape(this.#shapes.length, names);
    this.#shapes.push(shape);
    this.#latest = shape;
    return shape;
  }
}

/**
 * Of `{ id, name }`:
 *
 * ```js
 * return {
 *   matches(o) { let i = 0; for (const n in o) if (n !== names[i++]) return false; return i === 2; },
 *   write(o, w) { w.value(o["id"]); w.value(o["name"]); },
 * };
 * ```
 */
function createShape(number: number, names: readonly string[]): Shape {
  const bytes = Buffer.from(JSON.stringify(names));
  const writes = names.map((name) => `w.value(o[${JSON.stringify(name)}]);`).join(' ');
  const text = `return {
  matches(o) { let i = 0; for (const n in o) if (n !== names[i++]) return false; return i === ${String(names.length)}; },
  write(o, w) { ${writes} },
};`;
  const make = compile(['names'], text) as ((names: readonly string[]) => Pick<Shape, 'matches' | 'write'>) | null;
  return { number, names: bytes, ...(make ?? uncompiled)(names) };
}

/** The same, of closures that all shapes share. */
function uncompiled(names: readonly string[]): Pick<Shape, 'matches' | 'write'> {
  return {
    matches: (object) => {
      let index = 0;
      for (const name in object) if (name !== names[index++]) return false;
      return index === names.length;
    },
    write: (object, writer) => {
      for (const name of names) writer.value(object[name]);
    },
  };
}
