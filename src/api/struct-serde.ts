import { compile } from '../base/compile.js';
import { MillraceError } from '../base/errors.js';
import type { Serde } from './serde.js';
import { type StructField, type StructFieldKind, StructLayout } from './internal/struct-layout.js';

import { StructBytes } from './internal/struct-bytes.js';

export type { StructFieldKind } from './internal/struct-layout.js';

/** The fields of a {@link struct} by name. A `?` behind the kind: the field may be `undefined`. @public */
export type StructFields = Readonly<Record<string, StructFieldKind | `${StructFieldKind}?`>>;

interface TypeOfKind {
  readonly boolean: boolean;
  readonly int32: number;
  readonly float64: number;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly json: unknown;
}

type TypeOfField<K> = K extends `${infer Kind extends StructFieldKind}?`
  ? TypeOfKind[Kind]
  : K extends StructFieldKind
    ? TypeOfKind[K]
    : never;

type OptionalNames<F extends StructFields> = {
  [Name in keyof F]: F[Name] extends `${string}?` ? Name : never;
}[keyof F];

/** The type of the values of a struct with these fields. @public */
export type StructOf<F extends StructFields> = {
  readonly [Name in Exclude<keyof F, OptionalNames<F>>]: TypeOfField<F[Name]>;
} & {
  readonly [Name in OptionalNames<F>]?: TypeOfField<F[Name]> | undefined;
};

/** What {@link struct} makes. @public */
export interface StructSerde<T> extends Serde<T> {
  /**
   * The same bytes, read differently: a field is decoded when it is asked for, each time. For values with many or long fields of
   * which a function looks at few.
   *
   * Such a value keeps a copy of its bytes. Its fields are getters of its prototype: `{ ...value }` copies none of them, and
   * `value.toJSON()` gives a plain object.
   */
  lazily(): Serde<T>;
}

/**
 * Values of fixed fields, written one behind the other without their names, by functions that are generated for them: smaller and
 * faster than JSON, for topics, state and everything else that takes a {@link Serde}.
 *
 * ```ts
 * const orders = struct('order', { id: 'int32', customer: 'text', price: 'float64', note: 'text?' });
 * env.fromSource(topic('orders', orders), WatermarkStrategy.noWatermarks());
 * ```
 *
 * Fields may be added later, behind the others and with a `?`: bytes of before then have them `undefined`. Any other change is
 * another struct, and bytes of before are refused.
 *
 * @param name of the format, in the job graph and in errors
 * @param fields one at least, 255 at most
 * @throws MillraceError `MILLRACE_JOB_INVALID` for fields that cannot be
 * @public
 */
export function struct<const F extends StructFields>(name: string, fields: F): StructSerde<StructOf<F>> {
  const layout = layoutOf(name, fields);
  const bytes = new StructBytes(layout);
  const write = generateWriter(layout, bytes) ?? ((value: object): number => bytes.write(value));
  const read =
    generateReader(layout, bytes) ?? ((frame: Buffer): object => bytes.readFields(frame, layout.fields.length));
  const serialise = (value: StructOf<F>): Uint8Array => bytes.upTo(write(value));
  return {
    name: `struct:${name}`,
    serialise,
    deserialise: (source) => {
      const frame = asBuffer(source);
      const count = bytes.fieldCountOf(frame);
      return (count === layout.fields.length ? read(frame) : bytes.readFields(frame, count)) as StructOf<F>;
    },
    lazily: () => {
      const Lazy = lazyClass(layout, bytes);
      return {
        name: `struct:${name}`,
        serialise,
        deserialise: (source) => {
          const frame = Buffer.from(source);
          const count = bytes.fieldCountOf(frame);
          if (count !== layout.fields.length) return bytes.readFields(frame, count) as StructOf<F>;
          return new Lazy(frame) as unknown as StructOf<F>;
        },
      };
    },
  };
}

function layoutOf(name: string, fields: StructFields): StructLayout {
  const entries = Object.entries(fields);
  const invalid = (what: string): MillraceError =>
    new MillraceError('MILLRACE_JOB_INVALID', `struct "${name}" ${what}`, {
      hint: "Declare it as struct('order', { id: 'int32', customer: 'text', note: 'text?' }).",
    });
  if (entries.length === 0 || entries.length > 255) throw invalid(`has ${String(entries.length)} fields`);
  // As a name in an object literal it would set the prototype.
  if (Object.hasOwn(fields, '__proto__')) throw invalid('has a field "__proto__"');
  return new StructLayout(
    name,
    entries.map(([field, declared]) => {
      const isOptional = declared.endsWith('?');
      const kind = (isOptional ? declared.slice(0, -1) : declared) as StructFieldKind;
      if (!KINDS.has(kind)) throw invalid(`has a field "${field}" of the unknown kind "${declared}"`);
      return { name: field, kind, isOptional };
    }),
  );
}

const KINDS: ReadonlySet<string> = new Set<StructFieldKind>(['boolean', 'int32', 'float64', 'text', 'bytes', 'json']);

/**
 * Of `{ id: 'int32', customer: 'text' }`:
 *
 * ```js
 * return function write(value) {
 *   bytes.begin();
 *   const f0 = value["id"], f1 = value["customer"];
 *   if (typeof f0 !== 'number' || (f0 | 0) !== f0) bytes.fail(0, f0);
 *   bytes.view.setInt32(4, f0, true);
 *   if (typeof f1 !== 'string') bytes.fail(1, f1);
 *   bytes.putText(8, f1);
 *   return bytes.end;
 * };
 * ```
 */
function generateWriter({ fields }: StructLayout, bytes: StructBytes): ((value: object) => number) | null {
  const lines = fields.map((field, index) => {
    const put = `if (${wrongOf(field, `f${index}`)}) bytes.fail(${index}, f${index}); ${putOf(field, `f${index}`)}`;
    if (!field.isOptional) return put;
    return `if (f${index} === undefined) bytes.putAbsent(${index}); else { bytes.view.setUint8(${field.at}, 1); ${put} }`;
  });
  const names = fields.map(({ name }, index) => `f${index} = value[${JSON.stringify(name)}]`);
  const body = `bytes.begin(); const ${names.join(', ')};\n${lines.join('\n')}\nreturn bytes.end;`;
  const write = compile(['bytes'], `return function write(value) { ${body} };`) as
    ((bytes: StructBytes) => (value: object) => number) | null;
  return write?.(bytes) ?? null;
}

function wrongOf({ kind }: StructField, value: string): string {
  switch (kind) {
    case 'boolean':
      return `typeof ${value} !== 'boolean'`;
    case 'int32':
      return `typeof ${value} !== 'number' || (${value} | 0) !== ${value}`;
    case 'float64':
      return `typeof ${value} !== 'number'`;
    case 'text':
      return `typeof ${value} !== 'string'`;
    case 'bytes':
      return `!(${value} instanceof Uint8Array)`;
    case 'json':
      return `${value} === undefined`;
  }
}

function putOf({ kind, valueAt }: StructField, value: string): string {
  switch (kind) {
    case 'boolean':
      return `bytes.view.setUint8(${valueAt}, ${value} ? 1 : 0);`;
    case 'int32':
      return `bytes.view.setInt32(${valueAt}, ${value}, true);`;
    case 'float64':
      return `bytes.view.setFloat64(${valueAt}, ${value}, true);`;
    case 'text':
      return `bytes.putText(${valueAt}, ${value});`;
    case 'bytes':
      return `bytes.putBytes(${valueAt}, ${value});`;
    case 'json':
      return `bytes.putJson(${valueAt}, ${value});`;
  }
}

/** `return function read(frame) { return { "id": frame.readInt32LE(4), "customer": bytes.textOf(frame, 8, -1) }; };` */
function generateReader({ fields }: StructLayout, bytes: StructBytes): ((frame: Buffer) => object) | null {
  const members = fields.map((field) => {
    const value = readOf(field);
    const given = field.isOptional ? `frame[${field.at}] === 0 ? undefined : ${value}` : value;
    return `${JSON.stringify(field.name)}: ${given}`;
  });
  const read = compile(['bytes'], `return function read(frame) { return { ${members.join(',\n')} }; };`) as
    ((bytes: StructBytes) => (frame: Buffer) => object) | null;
  return read?.(bytes) ?? null;
}

function readOf({ kind, valueAt, previousAt }: StructField): string {
  switch (kind) {
    case 'boolean':
      return `frame[${valueAt}] === 1`;
    case 'int32':
      return `frame.readInt32LE(${valueAt})`;
    case 'float64':
      return `frame.readDoubleLE(${valueAt})`;
    case 'text':
      return `bytes.textOf(frame, ${valueAt}, ${previousAt})`;
    case 'bytes':
      return `bytes.bytesOf(frame, ${valueAt}, ${previousAt})`;
    case 'json':
      return `bytes.jsonOf(frame, ${valueAt}, ${previousAt})`;
  }
}

const FRAME = Symbol('frame');

interface LazyValue {
  readonly [FRAME]: Buffer;
}

function lazyClass({ fields }: StructLayout, bytes: StructBytes): new (frame: Buffer) => LazyValue {
  class Lazy implements LazyValue {
    readonly [FRAME]: Buffer;

    constructor(frame: Buffer) {
      this[FRAME] = frame;
    }

    toJSON(): object {
      return bytes.readFields(this[FRAME], fields.length);
    }
  }
  for (const field of fields) {
    Object.defineProperty(Lazy.prototype, field.name, {
      enumerable: true,
      configurable: true,
      get(this: LazyValue): unknown {
        return bytes.readField(this[FRAME], field);
      },
    });
  }
  return Lazy;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
