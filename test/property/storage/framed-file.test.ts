import { open, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { fileKinds } from '../../../src/storage/frame-codec.js';
import { FramedFileReader, FramedFileWriter } from '../../../src/storage/framed-file.js';
import { withMemoryDirectory } from '../../helpers/temporary-directory.js';

const kind = fileKinds.test;

/** Payloads as they come: short, empty, all zeros over several sectors, longer than a block of writing. */
const payload = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3000 }).map((length) => new Uint8Array(length)) },
  { weight: 1, arbitrary: fc.integer({ min: 250_000, max: 600_000 }).map((length) => new Uint8Array(length).fill(7)) },
);
/** One element per sync. */
const groups = fc.array(fc.array(payload, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 });

interface Written {
  readonly path: string;
  readonly payloads: readonly Uint8Array[];
  /** Frames, and bytes, that were made durable by a sync that another write followed. */
  readonly durableCount: number;
  readonly durablePosition: number;
  readonly endPosition: number;
}

/** Writes the groups; the last one stands for a write that a crash interrupted before its sync was over. */
async function write(directory: string, input: readonly (readonly Uint8Array[])[]): Promise<Written> {
  const path = join(directory, 'file');
  const writer = await FramedFileWriter.create(path, { kind });
  const payloads: Uint8Array[] = [];
  let durableCount = 0;
  let durablePosition = writer.position;
  for (const group of input) {
    durableCount = payloads.length;
    durablePosition = writer.position;
    for (const part of group) {
      writer.append(part);
      payloads.push(part);
    }
    await writer.sync();
  }
  const endPosition = writer.position;
  await writer.close();
  return { path, payloads, durableCount, durablePosition, endPosition };
}

async function readAll(path: string): Promise<{ payloads: Buffer[]; endPosition: number; isTorn: boolean }> {
  const reader = await FramedFileReader.open(path, { kind });
  try {
    const payloads: Buffer[] = [];
    const result = await reader.scan((bytes) => payloads.push(Buffer.from(bytes)));
    return { payloads, endPosition: result.endPosition, isTorn: result.isTorn };
  } finally {
    await reader.close();
  }
}

async function patch(path: string, position: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, position);
  await file.close();
}

function expectPrefix(found: readonly Buffer[], written: Written): void {
  expect(found.length).toBeGreaterThanOrEqual(written.durableCount);
  expect(found.length).toBeLessThanOrEqual(written.payloads.length);
  for (const [index, bytes] of found.entries())
    expect(bytes.equals(written.payloads[index] ?? Buffer.of(1))).toBe(true);
}

describe('framed file', () => {
  it('reads back every payload, in order, whatever the sizes and however often it was synced', async () => {
    await fc.assert(
      fc.asyncProperty(groups, (input) =>
        withMemoryDirectory(async (directory) => {
          const written = await write(directory, input);
          const found = await readAll(written.path);
          expect(found.payloads.length).toBe(written.payloads.length);
          expectPrefix(found.payloads, written);
          expect(found.endPosition).toBe(written.endPosition);
          expect(found.isTorn).toBe(false);
        }),
      ),
      { numRuns: 60 },
    );
  });

  it('keeps every durable frame and no half frame when the last write is cut at any byte', async () => {
    await fc.assert(
      fc.asyncProperty(groups, fc.double({ min: 0, max: 1, noNaN: true }), (input, where) =>
        withMemoryDirectory(async (directory) => {
          const written = await write(directory, input);
          const cut = written.durablePosition + Math.floor(where * (written.endPosition - written.durablePosition));
          await truncate(written.path, cut);
          const found = await readAll(written.path);
          expectPrefix(found.payloads, written);
          expect(found.endPosition).toBeLessThanOrEqual(cut);
        }),
      ),
      { numRuns: 60 },
    );
  });

  it('keeps every durable frame when any sectors of the last write were never written', async () => {
    await fc.assert(
      fc.asyncProperty(groups, fc.infiniteStream(fc.boolean()), (input, choose) =>
        withMemoryDirectory(async (directory) => {
          const written = await write(directory, input);
          const sectors = Math.ceil(written.endPosition / 512);
          const file = await open(written.path, 'r+');
          for (let sector = Math.floor(written.durablePosition / 512); sector < sectors; sector++) {
            if (choose.next().value !== true) continue;
            const start = Math.max(sector * 512, written.durablePosition);
            const end = Math.min((sector + 1) * 512, written.endPosition);
            await file.write(new Uint8Array(end - start), 0, end - start, start);
          }
          await file.close();
          expectPrefix((await readAll(written.path)).payloads, written);
        }),
      ),
      { numRuns: 60 },
    );
  });

  it('never takes a sector that was durable and now reads as zeros for the end of the file', async () => {
    const group = fc.array(fc.uint8Array({ minLength: 1, maxLength: 900 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(group, { minLength: 2, maxLength: 5 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (input, where) =>
          withMemoryDirectory(async (directory) => {
            const written = await write(directory, input);
            const start = Math.floor((where * written.durablePosition) / 512) * 512;
            const end = Math.min(start + 512, written.durablePosition);
            const intact = (await readFile(written.path)).subarray(start, end);
            if (intact.every((byte) => byte === 0)) return;
            await patch(written.path, start, new Uint8Array(end - start));
            const error: unknown = await readAll(written.path).then(
              () => null,
              (reason: unknown) => reason,
            );
            if (!MillraceError.is(error, 'MILLRACE_LOG_CORRUPT')) throw new Error('the damage was not found');
          }),
      ),
      { numRuns: 100 },
    );
  });

  it('names file and position of a flipped bit, wherever it is, and returns nothing that was changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        groups,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.integer({ min: 0, max: 7 }),
        (input, where, bit) =>
          withMemoryDirectory(async (directory) => {
            const written = await write(directory, input);
            const position = Math.floor(where * written.endPosition);
            const bytes = await readFile(written.path);
            await patch(written.path, position, Uint8Array.of((bytes[position] ?? 0) ^ (1 << bit)));
            const error: unknown = await readAll(written.path).then(
              () => null,
              (reason: unknown) => reason,
            );
            if (!MillraceError.is(error, 'MILLRACE_LOG_CORRUPT')) throw new Error('the damage was not found');
            expect(error.details?.['path']).toBe(written.path);
            expect(error.details?.['position']).toBeLessThanOrEqual(position);
          }),
      ),
      { numRuns: 150 },
    );
  });
});
