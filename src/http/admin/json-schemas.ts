/**
 * Words for JSON Schemas of answers, so that a schema reads like the type that it describes, and is one: {@link Described} of a
 * schema is what the compiler holds the answer to, on both sides of the wire.
 */

declare const described: unique symbol;

/** A JSON Schema of values of type `T`. The type is the compiler's alone. */
export type Schema<T = unknown> = Readonly<Record<string, unknown>> & { readonly [described]?: T };

/** The type that a schema describes. */
export type Described<S> = S extends Schema<infer T> ? T : never;

type Properties = Readonly<Record<string, Schema>>;

export const text: Schema<string> = { type: 'string' };
export const integer: Schema<number> = { type: 'integer' };
export const number: Schema<number> = { type: 'number' };
export const flag: Schema<boolean> = { type: 'boolean' };
export const anything: Schema = {};

type ObjectOf<P extends Properties> = { readonly [Name in keyof P]: Described<P[Name]> };

/** An object with these properties, all of them present. */
export function object<P extends Properties>(properties: P): Schema<ObjectOf<P>> {
  return { type: 'object', properties, required: Object.keys(properties) };
}

/** An object with these properties, and perhaps with those of `optional`. */
export function objectWith<P extends Properties, O extends Properties>(
  properties: P,
  optional: O,
): Schema<ObjectOf<P> & Partial<ObjectOf<O>>> {
  return { type: 'object', properties: { ...properties, ...optional }, required: Object.keys(properties) };
}

/** An object of any names, whose values are alike. */
export function dictionary<T>(values: Schema<T>): Schema<Readonly<Record<string, T>>> {
  return { type: 'object', additionalProperties: values };
}

export function list<T>(items: Schema<T>): Schema<readonly T[]> {
  return { type: 'array', items };
}

export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return { anyOf: [schema, { type: 'null' }] };
}

/** One of these texts. */
export function oneOf<const Values extends readonly string[]>(...values: Values): Schema<Values[number]> {
  return { type: 'string', enum: values };
}

/** A value of one of these kinds. */
export function either<const Kinds extends readonly Schema[]>(...schemas: Kinds): Schema<Described<Kinds[number]>> {
  return { anyOf: schemas };
}
