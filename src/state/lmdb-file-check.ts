import { checksumOf } from './checksum.js';
import { compareBytes } from './key-encoding.js';

/**
 * Looks an LMDB file over. LMDB trusts its file, which has no checksums: one that is cut short, or in which a bit has
 * flipped, ends the process with a bus error, or quietly lacks rows. So every page that can be reached is checked, and every
 * row against the checksum that the environment stores with it: about five million rows a second. Small files are checked
 * before LMDB maps them into memory; of larger ones the first two pages are, and the rest while they are in use already
 * (base-verifier.ts), as a start must not wait for it. Of a base larger than {@link CHECKED_BYTES_MAX} that is all.
 *
 * Layout as the LMDB of lmdb-js 3 writes it (mdb.c; little-endian, 64-bit). Offsets within a page:
 *
 * ```text
 * page   0 page number u64 │ 8 transaction u64 │ 18 flags u16 │ 20 lower u16 │ 22 upper u16 │ 24 node offsets u16 …, counted from 24
 *        overflow pages: 20 number of pages u32 │ 24 data
 * node   0 low u16 │ 2 high u16 │ 4 flags u16 │ 6 key length u16 │ 8 key │ data
 *        branch: low, high, flags: child page; leaf: low, high: data length
 * meta   24 magic │ 28 version │ 48 page size u32 │ 52 flags u16
 *        88 root of the free list │ 100 flags │ 102 depth │ 128 entries │ 136 root of the rows │ 144 last page │ 152 transaction
 * ```
 */
export const CHECKED_BYTES_MAX = 256 * 2 ** 20;
/** Enough to see both meta pages. */
export const META_PROBE_BYTES = 64 * 1024 + 160;

const MAGIC = 0xbeefc0de;
const PAGE_BYTES_LEAST = 512;
const PAGE_BYTES_MOST = 64 * 1024;
const META_BYTES = 160;
const PAGE_HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
const NO_PAGE = 0xffffffffffffffffn;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const KIND_BITS = 0x67;
const BIG_DATA = 0x01;
const DEPTH_MAX = 32;
/** What this code's environments are made with: integer keys in the free list; rows without flags. */
const FREE_LIST_FLAGS = 0x0008;
/** Overlapping sync: set in a meta page until its transaction has been flushed. */
const UNFLUSHED_BIT = 0x1000;
const ROWS_FLAGS = 0;

interface Meta {
  readonly freeRoot: bigint;
  readonly rowsRoot: bigint;
  readonly freeFlags: number;
  readonly rowsFlags: number;
  readonly depth: number;
  readonly entries: bigint;
  readonly lastPage: bigint;
  readonly transactionId: bigint;
}

/**
 * @param bytes the whole file, or the first {@link META_PROBE_BYTES} of one that is too large
 * @returns what is wrong with the file; `null` when nothing is
 */
export function checkLmdbFile(bytes: Buffer, sizeBytes: number): string | null {
  const pages = new LmdbFileCheck(bytes, sizeBytes).pages();
  for (;;) {
    const next = pages.next();
    if (next.done === true) return next.value;
  }
}

/**
 * Whether the file ends before the last page that was taken: its end was lost, or nothing was ever written there. Reading
 * where a mapped file has ended kills the process, so such a file has to be checked before.
 */
export function isCutShort(bytes: Buffer, sizeBytes: number): boolean {
  const found = findTrees(bytes, sizeBytes);
  return typeof found === 'string' || found.isCutShort;
}

/** The same in pieces. */
export class LmdbFileCheck {
  readonly #bytes: Buffer;
  readonly #sizeBytes: number;

  constructor(bytes: Buffer, sizeBytes: number) {
    this.#bytes = bytes;
    this.#sizeBytes = sizeBytes;
  }

  /** Yields after each page. @returns what is wrong with the file; `null` when nothing is */
  *pages(): Generator<void, string | null> {
    const found = findTrees(this.#bytes, this.#sizeBytes);
    if (typeof found === 'string') return found;
    return this.#bytes.length === this.#sizeBytes ? yield* found.check() : null;
  }
}

/** @returns what is wrong with the meta pages, or what they lead to */
function findTrees(bytes: Buffer, sizeBytes: number): string | TreeCheck {
  if (bytes.length < META_BYTES || bytes.readUInt32LE(24) !== MAGIC) return 'it does not start as an LMDB file does';
  const pageBytes = bytes.readUInt32LE(48);
  if (pageBytes < PAGE_BYTES_LEAST || pageBytes > PAGE_BYTES_MOST || (pageBytes & (pageBytes - 1)) !== 0) {
    return `its page size is ${pageBytes}`;
  }
  if (bytes.length < pageBytes + META_BYTES) return 'it is shorter than its two first pages';
  const newest = [0, pageBytes].map((at) => readMeta(bytes, at)).reduce(newerOf);
  if (newest === null) return 'neither of its meta pages is intact';
  const pages = Math.floor(sizeBytes / pageBytes);
  for (const root of [newest.freeRoot, newest.rowsRoot]) {
    if (root !== NO_PAGE && root >= BigInt(pages))
      return `it has ${sizeBytes} bytes, and its root page lies behind its end`;
  }
  if ((newest.freeFlags & ~UNFLUSHED_BIT) !== FREE_LIST_FLAGS || newest.rowsFlags !== ROWS_FLAGS)
    return 'the flags of its meta page are wrong';
  return new TreeCheck(bytes, pageBytes, pages, newest);
}

function readMeta(source: Buffer, at: number): Meta | null {
  if (source.readUInt32LE(at + 24) !== MAGIC) return null;
  return {
    freeRoot: source.readBigUInt64LE(at + 88),
    rowsRoot: source.readBigUInt64LE(at + 136),
    freeFlags: source.readUInt16LE(at + 52),
    rowsFlags: source.readUInt16LE(at + 100),
    depth: source.readUInt16LE(at + 102),
    entries: source.readBigUInt64LE(at + 128),
    lastPage: source.readBigUInt64LE(at + 144),
    transactionId: source.readBigUInt64LE(at + 152),
  };
}

function newerOf(a: Meta | null, b: Meta | null): Meta | null {
  if (a === null || b === null) return a ?? b;
  return a.transactionId > b.transactionId ? a : b;
}

/** A fault that ends a check. */
class Fault extends Error {}

class TreeCheck {
  readonly #bytes: Buffer;
  readonly #pageBytes: number;
  readonly #pages: number;
  readonly #meta: Meta;
  readonly #seen: Uint8Array;
  #entries = 0;
  #previousStart = -1;
  #previousEnd = -1;

  constructor(bytes: Buffer, pageBytes: number, pages: number, meta: Meta) {
    this.#bytes = bytes;
    this.#pageBytes = pageBytes;
    this.#pages = pages;
    this.#meta = meta;
    this.#seen = new Uint8Array(pages);
  }

  get isCutShort(): boolean {
    return this.#meta.lastPage >= BigInt(this.#pages);
  }

  *check(): Generator<void, string | null> {
    const meta = this.#meta;
    try {
      if (meta.freeRoot !== NO_PAGE) yield* this.#walk(Number(meta.freeRoot), 1, null);
      this.#entries = 0;
      if (meta.rowsRoot !== NO_PAGE) yield* this.#walk(Number(meta.rowsRoot), 1, meta.depth);
      if (BigInt(this.#entries) !== meta.entries) return `it has ${this.#entries} rows where ${meta.entries} belong`;
      return null;
    } catch (error) {
      if (error instanceof Fault) return error.message;
      throw error;
    }
  }

  /** @param rowsDepth at which depth the leaves of the rows lie; `null` for the free list, whose content is LMDB's own */
  *#walk(page: number, depth: number, rowsDepth: number | null): Generator<void, void> {
    const at = this.#enter(page);
    const bytes = this.#bytes;
    const kind = bytes.readUInt16LE(at + 18) & KIND_BITS;
    const isLeaf = kind === LEAF;
    if (!isLeaf && kind !== BRANCH) throw this.#fault(page, `has the kind ${kind}`);
    if (depth > DEPTH_MAX || (rowsDepth !== null && isLeaf !== (depth === rowsDepth))) {
      throw this.#fault(page, `lies at depth ${depth}`);
    }
    const lower = bytes.readUInt16LE(at + 20);
    const upper = bytes.readUInt16LE(at + 22);
    if (lower > upper || upper > this.#pageBytes - PAGE_HEADER_BYTES || (lower & 1) !== 0 || lower === 0) {
      throw this.#fault(page, 'has bounds that cannot be');
    }
    for (let index = 0; index < lower / 2; index++) {
      const offset = bytes.readUInt16LE(at + PAGE_HEADER_BYTES + 2 * index);
      const node = at + PAGE_HEADER_BYTES + offset;
      const room = at + this.#pageBytes - node - NODE_HEADER_BYTES;
      if (offset < upper || room < 0) throw this.#fault(page, 'has a node outside its bounds');
      if (isLeaf) this.#checkLeafNode(page, node, room, rowsDepth !== null);
      else yield* this.#walk(this.#childOf(page, node, room), depth + 1, rowsDepth);
    }
    yield;
  }

  #childOf(page: number, node: number, room: number): number {
    const bytes = this.#bytes;
    if (bytes.readUInt16LE(node + 6) > room) throw this.#fault(page, 'has a node outside its bounds');
    return bytes.readUInt32LE(node) + bytes.readUInt16LE(node + 4) * 0x100000000;
  }

  #checkLeafNode(page: number, node: number, room: number, isRow: boolean): void {
    const bytes = this.#bytes;
    const dataLength = bytes.readUInt32LE(node);
    const flags = bytes.readUInt16LE(node + 4);
    const keyStart = node + NODE_HEADER_BYTES;
    const keyEnd = keyStart + bytes.readUInt16LE(node + 6);
    const isBig = flags === BIG_DATA;
    if ((flags !== 0 && !isBig) || keyEnd - keyStart + (isBig ? 24 : dataLength) > room) {
      throw this.#fault(page, 'has a node outside its bounds');
    }
    const dataStart = isBig ? this.#overflowData(page, keyEnd, dataLength) : keyEnd;
    if (isRow) this.#checkRow(page, keyStart, keyEnd, dataStart, dataStart + dataLength);
  }

  #checkRow(page: number, keyStart: number, keyEnd: number, dataStart: number, dataEnd: number): void {
    const bytes = this.#bytes;
    this.#entries += 1;
    if (
      this.#previousStart >= 0 &&
      compareBytes(bytes, this.#previousStart, this.#previousEnd, bytes, keyStart, keyEnd) >= 0
    ) {
      throw this.#fault(page, 'has keys out of order');
    }
    this.#previousStart = keyStart;
    this.#previousEnd = keyEnd;
    const checksum = checksumOf(bytes, dataStart + 4, dataEnd, checksumOf(bytes, keyStart, keyEnd, 0));
    if (dataEnd - dataStart < 4 || checksum !== bytes.readUInt32LE(dataStart)) {
      throw this.#fault(page, 'has a row that does not match its checksum');
    }
  }

  /** Where the data of a node lies that has pages of its own. */
  #overflowData(page: number, reference: number, dataLength: number): number {
    const first = Number(this.#bytes.readBigUInt64LE(reference));
    const at = this.#enter(first);
    const count = this.#bytes.readUInt32LE(at + 20);
    const isOverflow = (this.#bytes.readUInt16LE(at + 18) & KIND_BITS) === OVERFLOW;
    if (!isOverflow || count === 0 || first + count > this.#pages) throw this.#fault(page, 'refers to a wrong page');
    if (PAGE_HEADER_BYTES + dataLength > count * this.#pageBytes)
      throw this.#fault(page, 'has data longer than its pages');
    return at + PAGE_HEADER_BYTES;
  }

  /** @returns where the page starts */
  #enter(page: number): number {
    if (!(page >= 2 && page < this.#pages)) throw this.#fault(page, 'lies outside the file');
    if (this.#seen[page] === 1) throw this.#fault(page, 'is referred to twice');
    this.#seen[page] = 1;
    const at = page * this.#pageBytes;
    if (Number(this.#bytes.readBigUInt64LE(at)) !== page) throw this.#fault(page, 'has another number');
    // LMDB takes a page of a transaction to come for one that it has in memory, and would free it.
    if (this.#bytes.readBigUInt64LE(at + 8) > this.#meta.transactionId) throw this.#fault(page, 'is not of its past');
    return at;
  }

  #fault(page: number, what: string): Fault {
    return new Fault(`page ${page} at position ${page * this.#pageBytes} ${what}`);
  }
}
