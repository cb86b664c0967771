import { toJson } from './case-format.js';
import type { Json } from './case-format.js';

/** What an expression may reach beside its variables. */
export interface ReadHost {
  readState(name: string): unknown;
  readMap(name: string): MapReader;
  readBroadcast(name: string): BroadcastReader;
}

export interface MapReader {
  get(key: never): unknown;
  contains(key: never): boolean;
  isEmpty(): boolean;
  entries(): Iterable<readonly [unknown, unknown]>;
}

export interface BroadcastReader {
  get(key: unknown): unknown;
  entries(): Iterable<readonly [unknown, unknown]>;
}

export type Variables = Record<string, unknown>;

/** Evaluates an expression of a case's program. */
export function evaluate(expression: Json, variables: Variables, host: ReadHost): unknown {
  if (typeof expression === 'string') return expression.startsWith('$') ? readPath(expression, variables) : expression;
  if (expression === null || typeof expression !== 'object') return expression;
  if (isList(expression)) return evaluateOperation(expression, variables, host);
  const object = expression;
  if ('lit' in object) return object['lit'];
  const fields = object['obj'] as Record<string, Json>;
  return Object.fromEntries(Object.entries(fields).map(([field, inner]) => [field, evaluate(inner, variables, host)]));
}

function isList(json: Json): json is readonly Json[] {
  return Array.isArray(json);
}

function readPath(path: string, variables: Variables): unknown {
  const [name = '', ...fields] = path.slice(1).split('.');
  let value: unknown = variables[name] ?? null;
  for (const field of fields) value = readField(value, field);
  return value;
}

function readField(value: unknown, field: string): unknown {
  if (value === null || typeof value !== 'object') return null;
  return (value as Record<string, unknown>)[field] ?? null;
}

/** Operations that decide which of their arguments to evaluate, or that reach state. */
function evaluateOperation(expression: readonly Json[], variables: Variables, host: ReadHost): unknown {
  const [op, ...args] = expression;
  const at = (index: number): unknown => evaluate(args[index] ?? null, variables, host);
  const name = args[0] as string;
  switch (op) {
    case 'if':
      return at(0) === true ? at(1) : at(2);
    case 'and':
      return args.every((_, index) => at(index) === true);
    case 'or':
      return args.some((_, index) => at(index) === true);
    case 'coalesce':
      for (let i = 0; i < args.length; i++) {
        const value = at(i);
        if (value !== null && value !== undefined) return value;
      }
      return null;
    case 'pluck':
      return (at(0) as readonly unknown[]).map((element) => readField(element, args[1] as string));
    case 'get':
      return readField(at(0), args[1] as string);
    case 'state':
      return host.readState(name) ?? null;
    case 'mapGet':
      return host.readMap(name).get(at(1) as never) ?? null;
    case 'mapHas':
      return host.readMap(name).contains(at(1) as never);
    case 'mapIsEmpty':
      return host.readMap(name).isEmpty();
    case 'mapEntries':
      return sortedEntries(host.readMap(name).entries());
    case 'broadcastGet':
      return host.readBroadcast(name).get(at(1)) ?? null;
    case 'broadcastEntries':
      return sortedEntries(host.readBroadcast(name).entries());
    default:
      return apply(
        op as string,
        args.map((_, index) => at(index)),
      );
  }
}

function sortedEntries(entries: Iterable<readonly [unknown, unknown]>): unknown[] {
  return [...entries].map(([key, value]) => [key, value ?? null]).sort((a, b) => order(a[0], b[0]));
}

/** Operations on values alone. */
function apply(op: string, args: readonly unknown[]): unknown {
  const numbers = (): number[] => args.map(toNumber);
  const list = (): readonly unknown[] => args[0] as readonly unknown[];
  switch (op) {
    case '+':
      return numbers().reduce((a, b) => a + b);
    case '*':
      return numbers().reduce((a, b) => a * b);
    case '-':
      return args.length === 1 ? 0 - toNumber(args[0]) : numbers().reduce((a, b) => a - b);
    case '%':
      return noNegativeZero(toNumber(args[0]) % toNumber(args[1]));
    case 'floorDiv':
      return Math.floor(toNumber(args[0]) / toNumber(args[1]));
    case 'div':
      return toNumber(args[0]) / toNumber(args[1]);
    case 'min':
      return Math.min(...numbers());
    case 'max':
      return Math.max(...numbers());
    case 'not':
      return args[0] !== true;
    case 'isNull':
      return args[0] === null || args[0] === undefined;
    case 'len':
      return list().length;
    case 'list':
      return args;
    case 'concat':
      return args.map(toText).join('');
    case 'sum':
      return list().reduce<number>((sum, value) => sum + toNumber(value), 0);
    case 'minOf':
      return list().length === 0 ? null : Math.min(...list().map(toNumber));
    case 'maxOf':
      return list().length === 0 ? null : Math.max(...list().map(toNumber));
    case 'sort':
      return [...list()].sort(order);
    case 'at':
      return list().at(toNumber(args[1])) ?? null;
    case 'append':
      return [...list(), args[1]];
    default:
      return compare(op, args[0], args[1]);
  }
}

function compare(op: string, a: unknown, b: unknown): boolean {
  switch (op) {
    case '==':
      return isEqual(a, b);
    case '!=':
      return !isEqual(a, b);
    case '<':
      return order(a, b) < 0;
    case '<=':
      return order(a, b) <= 0;
    case '>':
      return order(a, b) > 0;
    case '>=':
      return order(a, b) >= 0;
    default:
      throw new Error(`the operation "${op}" is not known`);
  }
}

export function toNumber(value: unknown): number {
  if (value === 'MAX') return Infinity;
  if (value === 'MIN') return -Infinity;
  if (typeof value !== 'number') throw new TypeError(`${JSON.stringify(value)} is no number`);
  return value;
}

function noNegativeZero(value: number): number {
  return value === 0 ? 0 : value;
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(toJson(value));
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' || value === 'MAX' || value === 'MIN';
}

export function isEqual(a: unknown, b: unknown): boolean {
  if (isTime(a) && isTime(b)) return toNumber(a) === toNumber(b);
  if (typeof a !== 'object' || typeof b !== 'object') return (a ?? null) === (b ?? null);
  if (a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((key) => key in b && isEqual(readField(a, key), readField(b, key)))
  );
}

/** Numbers, strings, and lists of them; numbers before strings. */
export function order(a: unknown, b: unknown): number {
  if (isTime(a) && isTime(b) && (typeof a === 'number' || typeof b === 'number')) {
    const [left, right] = [toNumber(a), toNumber(b)];
    if (left === right) return 0;
    return left < right ? -1 : 1;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const inner = order(a[i], b[i]);
      if (inner !== 0) return inner;
    }
    return a.length - b.length;
  }
  const [left, right] = [toText(a), toText(b)];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
