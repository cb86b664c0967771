import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { ErrorCode } from '../base/errors.js';
import { replaceFile, storageError, systemCode } from './disk.js';
import { encodeFileHeader, FILE_HEADER_BYTES, fileKinds, FRAME_HEADER_BYTES, sealFrame } from './frame-codec.js';
import { corruptError, FramedFileReader } from './framed-file.js';

/**
 * Small files that are replaced as a whole: a reader finds the old content or the new one, never a mixture, whenever the
 * process is killed. One framed file with one frame, so damage is found. Any thread; one writer per path at a time.
 */

/** Replaces the file's content. Resolves when the new content is durable. */
export async function writeAtomicFile(path: string, payload: Uint8Array): Promise<void> {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES + FRAME_HEADER_BYTES + payload.length);
  const salt = randomBytes(4).readUInt32LE(0);
  encodeFileHeader(bytes, fileKinds.atomic, salt);
  bytes.set(payload, FILE_HEADER_BYTES + FRAME_HEADER_BYTES);
  sealFrame(bytes, FILE_HEADER_BYTES, payload.length, FILE_HEADER_BYTES, FILE_HEADER_BYTES, salt);
  const aside = `${path}.tmp`;
  try {
    await writeDurably(aside, bytes);
    await replaceFile(aside, path);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined); // the first error is the one to report
    throw storageError(error, 'replace the file', path);
  }
}

/**
 * The file's content; `null` when there is no such file.
 *
 * @throws `corruptCode` when the content does not match its checksum
 */
export async function readAtomicFile(
  path: string,
  corruptCode: ErrorCode = 'MILLRACE_LOG_CORRUPT',
): Promise<Buffer | null> {
  const reader = await openIfPresent(path, corruptCode);
  if (reader === null) return null;
  try {
    if (reader.sizeBytes <= FILE_HEADER_BYTES) throw corruptError(corruptCode, path, 0, 'the file has no content');
    const block = await reader.readBlock(FILE_HEADER_BYTES, reader.sizeBytes, reader.sizeBytes);
    if (block.nextPosition !== reader.sizeBytes) {
      throw corruptError(corruptCode, path, block.nextPosition, 'the file goes on after its content');
    }
    const start = block.payloadStarts[0] ?? 0;
    return block.buffer.subarray(start, start + (block.payloadLengths[0] ?? 0));
  } finally {
    await reader.close();
  }
}

async function openIfPresent(path: string, corruptCode: ErrorCode): Promise<FramedFileReader | null> {
  try {
    return await FramedFileReader.open(path, { kind: fileKinds.atomic, corruptCode });
  } catch (error) {
    const cause = error instanceof Error ? systemCode(error.cause) : '';
    if (cause === 'ENOENT' || cause === 'ENOTDIR') return null;
    throw error;
  }
}

async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
