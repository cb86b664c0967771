import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';

/**
 * A row in memory. One object per row, found once per record and then used directly, so its fields are few and its shape
 * never changes.
 *
 * An entry whose value is `undefined` says that the row does not exist: it hides a stored one (a deletion that is not
 * stored yet), or spares another look into the base.
 */
export class Entry {
  /** Changes only in the one entry that stands for rows in columns while they are saved. */
  key: unknown;
  value: unknown = undefined;
  /** The epoch of the last change: see StateRows. 0: as stored; {@link DEAD_EPOCH}: removed from its table. */
  epoch = 0;
  /** The epoch whose snapshot last took this entry's value. */
  savedEpoch = 0;
  /** The key group, and the flags below. */
  bits: number;
  /** Estimated bytes of memory, for the memtable's budget. */
  size = 0;

  constructor(key: unknown, keyGroup: number) {
    this.key = key;
    this.bits = keyGroup;
  }

  get namespace(): Namespace {
    return VOID_NAMESPACE;
  }

  get subKey(): unknown {
    return undefined;
  }
}

/** A row of a window, of a timer, or of an entry of a map. */
export class NamespacedEntry extends Entry {
  readonly #namespace: Namespace;
  readonly #subKey: unknown;

  constructor(key: unknown, keyGroup: number, namespace: Namespace, subKey: unknown) {
    super(key, keyGroup);
    this.#namespace = namespace;
    this.#subKey = subKey;
  }

  override get namespace(): Namespace {
    return this.#namespace;
  }

  override get subKey(): unknown {
    return this.#subKey;
  }
}

export const KEY_GROUP_BITS = 0x3ff;
/** The row may be stored, in the base or in a segment: deleting it needs a tombstone. */
export const PERSISTED = 0x400;
/** Accessed since the evictor last came by. */
export const USED = 0x800;

export const DEAD_EPOCH = -1;

/** What an entry costs besides key and value: the object and its place in a Map. Measured on Node 20 and 24. */
const ENTRY_BYTES = 120;
const NAMESPACED_ENTRY_BYTES = 170;

/** Estimated bytes of an entry without its value. */
export function entryBytes(entry: Entry): number {
  const base = entry instanceof NamespacedEntry ? NAMESPACED_ENTRY_BYTES : ENTRY_BYTES;
  const subKey = entry.subKey;
  return base + estimateBytes(entry.key) + (subKey === undefined ? 0 : estimateBytes(subKey));
}

/** Values are looked into no deeper than this, and no further than so many items: an estimate must be cheap. */
const ESTIMATE_DEPTH_MAX = 3;
const ESTIMATE_ITEMS_MAX = 16;

/** Estimated bytes of heap memory of a value, by its type and a sample of its parts. */
export function estimateBytes(value: unknown, depth = 0): number {
  switch (typeof value) {
    case 'number':
      return 12;
    case 'string':
      return 24 + value.length;
    case 'bigint':
      return 32;
    case 'object':
      return value === null ? 0 : estimateObjectBytes(value, depth);
    default:
      return 0;
  }
}

function estimateObjectBytes(value: object, depth: number): number {
  if (ArrayBuffer.isView(value)) return 100 + value.byteLength;
  if (depth >= ESTIMATE_DEPTH_MAX) return 64;
  if (Array.isArray(value)) return 48 + sampled(value, value.length, depth, 8);
  if (value instanceof Map) return 150 + sampled(value.values(), value.size, depth, 60);
  if (value instanceof Set) return 150 + sampled(value, value.size, depth, 24);
  let bytes = 32;
  for (const name in value) bytes += 8 + estimateBytes((value as Record<string, unknown>)[name], depth + 1);
  return bytes;
}

function sampled(items: Iterable<unknown>, count: number, depth: number, bytesPerItem: number): number {
  if (count === 0) return 0;
  let seen = 0;
  let bytes = 0;
  for (const item of items) {
    bytes += estimateBytes(item, depth + 1);
    seen += 1;
    if (seen >= ESTIMATE_ITEMS_MAX) break;
  }
  return Math.ceil((bytes / seen + bytesPerItem) * count);
}
