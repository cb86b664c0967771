import { isUtf8 } from 'node:buffer';

import { locateJsonFault } from './json-syntax.js';
import type { FieldFault } from './problem.js';

/**
 * Checks a body at the door. The bytes go on to the worker as they came; what is parsed here serves the schema check and
 * the record's key, and is dropped.
 */

/** A parsed body, or what is wrong with it. */
export type JsonBody = { readonly value: unknown; readonly fault: null } | { readonly fault: FieldFault };

const NO_BODY: JsonBody = { value: undefined, fault: null };

/** Parses the bytes of a body. An empty body is `undefined`, not a fault. */
export function parseJsonBody(bytes: Buffer): JsonBody {
  if (bytes.length === 0) return NO_BODY;
  if (!isUtf8(bytes)) return { fault: { pointer: '', message: 'the body is not UTF-8' } };
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: syntaxFault(text) };
  }
  const poison = mayHoldPoison(text) ? findPoison(value) : null;
  return poison === null ? { value, fault: null } : { fault: poison };
}

function syntaxFault(text: string): FieldFault {
  const fault = locateJsonFault(text);
  if (fault === null) return { pointer: '', message: 'the body is not JSON' };
  const { offset, line, column, message } = fault;
  return { pointer: '', message, offset, line, column };
}

/**
 * Whether the slow look at every property is needed. An escape may spell a property name in another way, so any `\u` counts.
 * Most bodies hold none of the three and pay one scan of their text.
 */
function mayHoldPoison(text: string): boolean {
  return text.includes('__proto__') || text.includes('constructor') || text.includes('\\u');
}

/** A value that is still to be looked at, and its JSON pointer. */
interface PointedValue {
  readonly value: object;
  readonly pointer: string;
}

/**
 * Finds a property that would change an object's prototype where a job's code merges the body into another object:
 * `__proto__`, or `constructor` with a `prototype`.
 */
function findPoison(root: unknown): FieldFault | null {
  if (typeof root !== 'object' || root === null) return null;
  const open: PointedValue[] = [{ value: root, pointer: '' }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const [name, child] of Object.entries(next.value)) {
      const pointer = `${next.pointer}/${escapePointer(name)}`;
      if (isPoison(name, child)) return { pointer, message: 'this property name is not allowed' };
      if (typeof child === 'object' && child !== null) open.push({ value: child as object, pointer });
    }
  }
  return null;
}

function isPoison(name: string, child: unknown): boolean {
  if (name === '__proto__') return true;
  return name === 'constructor' && typeof child === 'object' && child !== null && Object.hasOwn(child, 'prototype');
}

/** Escapes one reference token of a JSON pointer (RFC 6901). */
export function escapePointer(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}
