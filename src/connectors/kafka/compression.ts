/**
 * The codecs of record batches. Each package is loaded with the first batch that needs it.
 *
 * - gzip: Node's zlib.
 * - snappy: `snappy`; Kafka frames its blocks as the Java library "xerial" does.
 * - lz4: `lz4-napi`, in LZ4's own frame format.
 * - zstd: Node's zlib where it has it (22.15), else `@bokuweb/zstd-wasm`.
 */
import zlib from 'node:zlib';
import { ConnectorError } from '../../base/errors.js';

export const codecNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type CodecName = (typeof codecNames)[number];

export interface Codec {
  compress(records: Buffer): Buffer;
  decompress(records: Buffer): Buffer;
}

/** Larger than anything that a broker accepts in one batch: a bound against compressed bombs. */
const BATCH_BYTES_MAX = 256 * 1024 * 1024;
/** What the zstd module gives a result whose size is not told, in the order of the tries. */
const ZSTD_HEAPS = [4, 32, 256].map((mebibytes) => mebibytes * 1024 * 1024);
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER_BYTES = 16;

const codecs = new Map<number, Promise<Codec>>();

/** By its number in a batch's attributes. @throws ConnectorError `MILLRACE_LOG_CORRUPT` for a number that Kafka does not have */
export function codecOf(number: number): Promise<Codec> {
  const known = codecs.get(number);
  if (known !== undefined) return known;
  const loading = load(number);
  codecs.set(number, loading);
  return loading;
}

async function load(number: number): Promise<Codec> {
  switch (codecNames[number]) {
    case 'gzip':
      return {
        compress: (records) => zlib.gzipSync(records),
        decompress: (records) => zlib.gunzipSync(records, { maxOutputLength: BATCH_BYTES_MAX }),
      };
    case 'snappy': {
      const { compressSync, uncompressSync } = await import('snappy');
      return {
        compress: (records) => inXerialFrame(compressSync(records)),
        decompress: (records) =>
          Buffer.concat(xerialBlocks(records).map((block) => uncompressSync(block, { asBuffer: true }) as Buffer)),
      };
    }
    case 'lz4': {
      const { compressFrameSync, decompressFrameSync } = await import('lz4-napi');
      return { compress: (records) => compressFrameSync(records), decompress: decompressFrameSync };
    }
    case 'zstd':
      return zstd();
    default:
      throw new ConnectorError('MILLRACE_LOG_CORRUPT', `a record batch names the unknown codec ${String(number)}`);
  }
}

async function zstd(): Promise<Codec> {
  // @types/node is that of Node.js 20.
  const own = zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer; zstdDecompressSync?: (bytes: Buffer) => Buffer };
  if (own.zstdCompressSync !== undefined && own.zstdDecompressSync !== undefined) {
    return { compress: own.zstdCompressSync, decompress: own.zstdDecompressSync };
  }
  const { init, compress, decompress } = await import('@bokuweb/zstd-wasm');
  await init();
  const decompressed = (records: Buffer): Buffer => {
    for (const [index, defaultHeapSize] of ZSTD_HEAPS.entries()) {
      try {
        return bufferOf(decompress(records, { defaultHeapSize }));
      } catch (error) {
        if (index === ZSTD_HEAPS.length - 1) throw error;
      }
    }
    return Buffer.alloc(0);
  };
  return { compress: (records) => bufferOf(compress(records)), decompress: decompressed };
}

function inXerialFrame(block: Buffer): Buffer {
  const header = Buffer.alloc(XERIAL_HEADER_BYTES + 4);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(1, 8);
  header.writeInt32BE(1, 12);
  header.writeInt32BE(block.length, 16);
  return Buffer.concat([header, block]);
}

/** The blocks of a frame; a sender that frames nothing sent one bare block. */
function xerialBlocks(records: Buffer): Buffer[] {
  if (!records.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return [records];
  const blocks: Buffer[] = [];
  let at = XERIAL_HEADER_BYTES;
  while (at + 4 <= records.length) {
    const size = records.readInt32BE(at);
    blocks.push(records.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return blocks;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
