import type { FileHandle } from 'node:fs/promises';
import {
  checkFrame,
  checkFrameHeader,
  countZeroSectors,
  FRAME_ABSENT,
  FRAME_DAMAGED,
  FRAME_HEADER_BYTES,
  FRAME_INCOMPLETE,
  frameMarkBytes,
  isZero,
  SECTOR_BYTES,
  unsyncedBytesOf,
  zeroSectorsOf,
} from './frame-codec.js';

/**
 * Decides what a place means at which no intact frame stands: the end of the file, a write that a crash cut short, or
 * damage to data that had been durable.
 *
 * A writer has one unsynced write at a time, and it is the last thing in the file. So:
 *
 *     an intact frame further on was written when this place was already durable  ─▶ damage
 *     nothing but zeros, or nothing at all, from here on                          ─▶ the end
 *     the frame is longer than the file, or lacks whole sectors (they read as 0)  ─▶ torn
 *     the frame is all there, and yet its checksum is wrong                       ─▶ damage
 *
 * The last two lines rest on disks writing whole sectors, and on file systems never showing stale blocks in a grown
 * file (ext4 in its default mode, XFS, btrfs). Where that does not hold a torn write is reported as damage: the safe side,
 * nothing is lost silently. What cannot be told is a file cut back to an earlier length behind our back.
 */
export type TailVerdict =
  { readonly kind: 'end' } | { readonly kind: 'torn' } | { readonly kind: 'damaged'; readonly reason: string };

const SEARCH_BLOCK_BYTES = 1 << 20;

/** Reads until `length` bytes are there or the file ends. */
export async function readFully(file: FileHandle, target: Buffer, length: number, position: number): Promise<number> {
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(target, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Judges the place `position`, at which {@link checkFrame} found no intact frame. Reads the rest of the file. */
export async function judgeTail(file: FileHandle, position: number, size: number, salt: number): Promise<TailVerdict> {
  const later = await findLaterFrame(file, position, size, salt);
  if (later !== -1) {
    return { kind: 'damaged', reason: `an intact frame at position ${later} shows that this place had been durable` };
  }
  const rest = size - position;
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  const headerBytes = await readFully(file, header, Math.min(FRAME_HEADER_BYTES, rest), position);
  if (headerBytes < FRAME_HEADER_BYTES) return { kind: rest === 0 ? 'end' : 'torn' };
  const payloadBytes = checkFrameHeader(header, 0, headerBytes, position, salt);
  if (payloadBytes === FRAME_ABSENT) return { kind: (await isZeroUntil(file, position, size)) ? 'end' : 'torn' };
  if (payloadBytes === FRAME_DAMAGED) return judgeHeader(file, header, position, size);
  if (position + FRAME_HEADER_BYTES + payloadBytes > size) return { kind: 'torn' };
  return judgePayload(file, position, payloadBytes, salt);
}

/** A damaged header is torn only where a sector boundary runs through it and one side was never written. */
async function judgeHeader(file: FileHandle, header: Buffer, position: number, size: number): Promise<TailVerdict> {
  const boundary = SECTOR_BYTES - (position % SECTOR_BYTES);
  if (boundary < FRAME_HEADER_BYTES) {
    if (isZero(header, 0, boundary)) return { kind: 'torn' };
    const sectorEnd = Math.min(size, position + boundary + SECTOR_BYTES);
    if (await isZeroUntil(file, position + boundary, sectorEnd)) return { kind: 'torn' };
  }
  return { kind: 'damaged', reason: "the frame's header does not match its checksum" };
}

async function judgePayload(
  file: FileHandle,
  position: number,
  payloadBytes: number,
  salt: number,
): Promise<TailVerdict> {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes);
  const length = await readFully(file, frame, frame.length, position);
  const result = checkFrame(frame, 0, length, position, salt);
  if (result === FRAME_INCOMPLETE) return { kind: 'torn' };
  const start = position + FRAME_HEADER_BYTES;
  const zeroSectors = countZeroSectors(frame, FRAME_HEADER_BYTES, payloadBytes, start);
  if (zeroSectors > zeroSectorsOf(frame, 0)) return { kind: 'torn' };
  return { kind: 'damaged', reason: "the frame's payload does not match its checksum" };
}

/** @returns the position of an intact frame header that proves `position` to have been durable, or -1 */
async function findLaterFrame(file: FileHandle, position: number, size: number, salt: number): Promise<number> {
  const block = Buffer.allocUnsafe(SEARCH_BLOCK_BYTES);
  let blockStart = position + 1;
  while (blockStart + FRAME_HEADER_BYTES <= size) {
    const length = await readFully(file, block, Math.min(SEARCH_BLOCK_BYTES, size - blockStart), blockStart);
    const found = searchBlock(block, length, blockStart, position, salt);
    if (found !== -1 || length < SEARCH_BLOCK_BYTES) return found;
    blockStart += length - FRAME_HEADER_BYTES + 1; // a header that straddles two blocks is whole in the next one
  }
  return -1;
}

function searchBlock(block: Buffer, length: number, blockStart: number, position: number, salt: number): number {
  let at = block.indexOf(frameMarkBytes);
  while (at !== -1 && at + FRAME_HEADER_BYTES <= length) {
    const candidate = blockStart + at;
    const isIntact = checkFrameHeader(block, at, length, candidate, salt) >= 0;
    if (isIntact && candidate - unsyncedBytesOf(block, at) > position) return candidate;
    at = block.indexOf(frameMarkBytes, at + 1);
  }
  return -1;
}

/** Whether the file holds nothing but zeros from `position` to `end`, or to its own end. */
export async function isZeroUntil(file: FileHandle, position: number, end: number): Promise<boolean> {
  const block = Buffer.allocUnsafe(Math.min(SEARCH_BLOCK_BYTES, Math.max(end - position, 1)));
  let at = position;
  while (at < end) {
    const length = await readFully(file, block, Math.min(block.length, end - at), at);
    if (length === 0) return true;
    if (!isZero(block, 0, length)) return false;
    at += length;
  }
  return true;
}
