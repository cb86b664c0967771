import { crc32 } from 'node:zlib';
import { invariant } from '../base/invariant.js';

/**
 * Bytes of a framed file: a header, then frames. Pure; any thread. All numbers are little-endian.
 *
 *     file   │ magic u32 │ version u16 │ kind u16 │ salt u32 │ crc32 of the 12 bytes before │ frame │ frame │ …
 *
 *     frame  │ mark u32 │ payloadBytes u32 │ crc32 of the payload │ unsyncedBytes u32 │ zeroSectors u32 │ header crc32 │ payload …
 *
 * - The header's checksum starts from the file's salt and the frame's position, so a frame counts only where it was
 *   written: bytes of another file, or of a payload that looks like a frame, never pass for one.
 * - `unsyncedBytes` is how far the file was *not* known to be durable when the frame was written, counted back from the
 *   frame. It proves that whatever lies before was durable, and must therefore be intact (see tail-check.ts).
 * - `zeroSectors` counts the disk sectors within the frame that hold nothing but zeros. A write that power loss cut short
 *   shows as more of them, a flipped byte does not.
 *
 * The checksum is zlib's crc32, native and about 3.7 GB/s (docs/decisions/0020-framed-files.md).
 */

export const FILE_HEADER_BYTES = 16;
export const FRAME_HEADER_BYTES = 24;
/** What disks write as one; a write torn by power loss is torn at a multiple of this. */
export const SECTOR_BYTES = 512;
/** A length that no frame reaches: a bigger one is damage, not data. */
export const PAYLOAD_BYTES_MAX = 1 << 30;

const FILE_MAGIC = 0x46524c4d; // 'MLRF'
const FORMAT_VERSION = 1;
const FRAME_MARK = 0xf24d4c52;

/** The mark as bytes, to search for. */
export const frameMarkBytes: Uint8Array = Uint8Array.of(0x52, 0x4c, 0x4d, 0xf2);

/** What a framed file holds, so that one is not read as the other. */
export const fileKinds = { logSegment: 1, deltaSegment: 2, atomic: 3, outcomes: 4, test: 99 } as const;
export type FileKind = (typeof fileKinds)[keyof typeof fileKinds];

export interface FileHeader {
  readonly version: number;
  readonly kind: number;
  readonly salt: number;
}

export function encodeFileHeader(target: Buffer, kind: FileKind, salt: number): void {
  target.writeUInt32LE(FILE_MAGIC, 0);
  target.writeUInt16LE(FORMAT_VERSION, 4);
  target.writeUInt16LE(kind, 6);
  target.writeUInt32LE(salt >>> 0, 8);
  target.writeUInt32LE(crc32(target.subarray(0, 12)), 12);
}

/** The header, or what is wrong with it. */
export function decodeFileHeader(source: Buffer, kind: FileKind): FileHeader | string {
  if (source.length < FILE_HEADER_BYTES) return 'the file is shorter than its header';
  if (source.readUInt32LE(0) !== FILE_MAGIC) return 'the file does not start as a framed file does';
  if (source.readUInt32LE(12) !== crc32(source.subarray(0, 12))) return "the checksum of the file's header is wrong";
  const header = { version: source.readUInt16LE(4), kind: source.readUInt16LE(6), salt: source.readUInt32LE(8) };
  if (header.version !== FORMAT_VERSION) return `format version ${header.version} is not known to this release`;
  if (header.kind !== kind) return `the file holds another kind of data (${header.kind}, expected ${kind})`;
  return header;
}

/**
 * Completes a frame whose payload lies ready in `buffer` after room for the frame header.
 *
 * @param frameStart where the frame's header goes in `buffer`
 * @param position where the frame goes in the file
 * @param unsyncedBytes how many bytes before `position` are not known to be durable
 */
export function sealFrame(
  buffer: Buffer,
  frameStart: number,
  payloadBytes: number,
  position: number,
  unsyncedBytes: number,
  salt: number,
): void {
  invariant(payloadBytes >= 0 && payloadBytes <= PAYLOAD_BYTES_MAX, "a frame's payload fits the format");
  const payloadStart = frameStart + FRAME_HEADER_BYTES;
  buffer.writeUInt32LE(FRAME_MARK, frameStart);
  buffer.writeUInt32LE(payloadBytes, frameStart + 4);
  buffer.writeUInt32LE(crc32(buffer.subarray(payloadStart, payloadStart + payloadBytes)), frameStart + 8);
  buffer.writeUInt32LE(Math.min(unsyncedBytes, 0xffffffff), frameStart + 12);
  const zeroSectors = countZeroSectors(buffer, payloadStart, payloadBytes, position + FRAME_HEADER_BYTES);
  buffer.writeUInt32LE(zeroSectors, frameStart + 16);
  buffer.writeUInt32LE(headerChecksum(buffer, frameStart, position, salt), frameStart + 20);
}

/** More bytes are needed than `limit` allows to see. */
export const FRAME_INCOMPLETE = -1;
/** The header or the payload does not match its checksum. */
export const FRAME_DAMAGED = -2;
/** The header is all zeros: room that was allotted and never written, or a torn write. */
export const FRAME_ABSENT = -3;

/**
 * Checks the frame at `at`.
 *
 * @param limit one past the last readable byte of `buffer`
 * @returns the payload's length; or {@link FRAME_INCOMPLETE}, {@link FRAME_DAMAGED}, {@link FRAME_ABSENT}
 */
export function checkFrame(buffer: Buffer, at: number, limit: number, position: number, salt: number): number {
  const payloadBytes = checkFrameHeader(buffer, at, limit, position, salt);
  if (payloadBytes < 0) return payloadBytes;
  const payloadStart = at + FRAME_HEADER_BYTES;
  if (payloadStart + payloadBytes > limit) return FRAME_INCOMPLETE;
  const checksum = crc32(buffer.subarray(payloadStart, payloadStart + payloadBytes));
  return checksum === buffer.readUInt32LE(at + 8) ? payloadBytes : FRAME_DAMAGED;
}

/** Like {@link checkFrame} for the header alone: the payload may lie beyond `limit`. */
export function checkFrameHeader(buffer: Buffer, at: number, limit: number, position: number, salt: number): number {
  if (at + FRAME_HEADER_BYTES > limit) return FRAME_INCOMPLETE;
  if (buffer.readUInt32LE(at) !== FRAME_MARK) {
    return isZero(buffer, at, at + FRAME_HEADER_BYTES) ? FRAME_ABSENT : FRAME_DAMAGED;
  }
  if (buffer.readUInt32LE(at + 20) !== headerChecksum(buffer, at, position, salt)) return FRAME_DAMAGED;
  const payloadBytes = buffer.readUInt32LE(at + 4);
  return payloadBytes <= PAYLOAD_BYTES_MAX ? payloadBytes : FRAME_DAMAGED;
}

/** Of a frame whose header is intact. */
export function unsyncedBytesOf(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at + 12);
}

/** Of a frame whose header is intact. */
export function zeroSectorsOf(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at + 16);
}

/** Counts the sectors of the file that this range touches and in which the touched bytes are all zero. */
export function countZeroSectors(buffer: Uint8Array, start: number, length: number, position: number): number {
  let count = 0;
  let at = start;
  const end = start + length;
  while (at < end) {
    const sectorRest = SECTOR_BYTES - ((position + at - start) % SECTOR_BYTES);
    const stop = Math.min(end, at + sectorRest);
    if (isZero(buffer, at, stop)) count += 1;
    at = stop;
  }
  return count;
}

/** Whether a range holds nothing but zeros. */
export function isZero(buffer: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buffer[at] !== 0) return false;
  return true;
}

function headerChecksum(buffer: Buffer, at: number, position: number, salt: number): number {
  return crc32(buffer.subarray(at, at + 20), (salt ^ position) >>> 0);
}
