import type { MillraceError } from '../base/errors.js';

/**
 * Reads a JSON document field by field, and refuses what is not there or of another type with the place of the field, such
 * as `snapshots[2].segments[0].file`. Fields that the reader does not ask for are ignored.
 */
export class JsonReader {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #place: string;
  readonly #error: (place: string) => MillraceError;

  constructor(value: unknown, place: string, error: (place: string) => MillraceError) {
    if (!isRecord(value)) throw error(place === '' ? 'JSON object' : place);
    this.#value = value;
    this.#place = place;
    this.#error = error;
  }

  /** The error for a field that has the right type and a wrong value. */
  wrong(name: string): MillraceError {
    return this.#error(this.#placeOf(name));
  }

  text(name: string): string {
    const value = this.#field(name);
    if (typeof value !== 'string') throw this.wrong(name);
    return value;
  }

  textOrNull(name: string): string | null {
    return this.#field(name) === null ? null : this.text(name);
  }

  /** `undefined` for a field that is left out. */
  textIfThere(name: string): string | undefined {
    return this.#field(name) === undefined ? undefined : this.text(name);
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[]): Choice {
    const value = this.text(name);
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw this.wrong(name);
    return choice;
  }

  /** A whole number from 0. */
  count(name: string): number {
    const value = this.#field(name);
    if (!isCount(value)) throw this.wrong(name);
    return value;
  }

  number(name: string): number {
    const value = this.#field(name);
    if (typeof value !== 'number') throw this.wrong(name);
    return value;
  }

  countList(name: string): number[] {
    return this.#list(name).map((item, index) => {
      if (!isCount(item)) throw this.wrong(`${name}[${index}]`);
      return item;
    });
  }

  boolean(name: string): boolean {
    const value = this.#field(name);
    if (typeof value !== 'boolean') throw this.wrong(name);
    return value;
  }

  objectOrNull<T>(name: string, read: (item: JsonReader) => T): T | null {
    return this.#field(name) === null ? null : read(this.object(name));
  }

  object(name: string): JsonReader {
    return new JsonReader(this.#field(name), this.#placeOf(name), this.#error);
  }

  /** Every field of this object as a count, under its name. */
  counts(): Record<string, number> {
    return Object.fromEntries(Object.keys(this.#value).map((name) => [name, this.count(name)]));
  }

  list<T>(name: string, read: (item: JsonReader) => T): T[] {
    return this.#list(name).map((item, index) =>
      read(new JsonReader(item, this.#placeOf(`${name}[${index}]`), this.#error)),
    );
  }

  /** An object whose fields are objects of one kind. */
  record<T>(name: string, read: (item: JsonReader) => T): Record<string, T> {
    const record = this.object(name);
    return Object.fromEntries(Object.keys(record.#value).map((key) => [key, read(record.object(key))]));
  }

  /** An object whose fields are lists of texts. */
  lists<T>(name: string, read: (item: string) => T): Record<string, T[]> {
    const record = this.object(name);
    return Object.fromEntries(
      Object.keys(record.#value).map((key) => [
        key,
        record.#list(key).map((item, index) => {
          if (typeof item !== 'string') throw record.wrong(`${key}[${index}]`);
          return read(item);
        }),
      ]),
    );
  }

  #list(name: string): readonly unknown[] {
    const value = this.#field(name);
    if (!Array.isArray(value)) throw this.wrong(name);
    return value;
  }

  #field(name: string): unknown {
    return Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
  }

  #placeOf(name: string): string {
    return this.#place === '' ? name : `${this.#place}.${name}`;
  }
}

/** A reader of a whole document; `error` makes the error for a place in it. */
export function jsonReader(bytes: Uint8Array, error: (place: string) => MillraceError): JsonReader {
  return new JsonReader(parse(bytes), '', error);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
