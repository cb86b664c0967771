/**
 * Looks at the first two pages of an LMDB file before LMDB maps it into memory. LMDB trusts its file: one that is cut short, or not its
 * own, ends the process with a bus error instead of an error.
 *
 * Layout of a meta page as the LMDB of lmdb-js 3 writes it (little-endian, 64-bit):
 *
 * ```text
 * 24  magic u32 beefc0de    28  version u32     48  page size u32
 * 88  root page of the free list u64            136 root page of the rows u64
 * 144 last page u64                             152 transaction id u64
 * ```
 */
export const LMDB_PROBE_BYTES = 64 * 1024 + 160;

const MAGIC = 0xbeefc0de;
const PAGE_BYTES_LEAST = 512;
const PAGE_BYTES_MOST = 64 * 1024;
const META_BYTES = 160;
const NO_PAGE = 0xffffffffffffffffn;

interface MetaPage {
  readonly freeRoot: bigint;
  readonly rowsRoot: bigint;
  readonly transactionId: bigint;
}

/** @returns what is wrong with the file; `null` when nothing is */
export function checkLmdbFile(start: Buffer, sizeBytes: number): string | null {
  if (start.length < META_BYTES || start.readUInt32LE(24) !== MAGIC) return 'it does not start as an LMDB file does';
  const pageBytes = start.readUInt32LE(48);
  if (pageBytes < PAGE_BYTES_LEAST || pageBytes > PAGE_BYTES_MOST || (pageBytes & (pageBytes - 1)) !== 0) {
    return `its page size is ${pageBytes}`;
  }
  if (sizeBytes < 2 * pageBytes || start.length < pageBytes + META_BYTES)
    return 'it is shorter than its two first pages';
  const newest = [0, pageBytes].map((at) => readMeta(start, at)).reduce(newerOf);
  if (newest === null) return 'neither of its meta pages is intact';
  const pages = BigInt(Math.floor(sizeBytes / pageBytes));
  for (const root of [newest.freeRoot, newest.rowsRoot]) {
    if (root !== NO_PAGE && root >= pages) return `it has ${sizeBytes} bytes, and its root page lies behind its end`;
  }
  return null;
}

function readMeta(source: Buffer, at: number): MetaPage | null {
  if (source.readUInt32LE(at + 24) !== MAGIC) return null;
  return {
    freeRoot: source.readBigUInt64LE(at + 88),
    rowsRoot: source.readBigUInt64LE(at + 136),
    transactionId: source.readBigUInt64LE(at + 152),
  };
}

function newerOf(a: MetaPage | null, b: MetaPage | null): MetaPage | null {
  if (a === null || b === null) return a ?? b;
  return a.transactionId > b.transactionId ? a : b;
}
