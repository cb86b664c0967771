import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { fileKinds } from '../../../src/storage/frame-codec.js';
import { FramedFileReader, FramedFileWriter } from '../../../src/storage/framed-file.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';
import { rejection } from '../../helpers/topic-client.js';

const kind = fileKinds.test;

async function withFrames(
  count: number,
  use: (reader: FramedFileReader, positions: number[]) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const path = join(directory, 'file');
    const writer = await FramedFileWriter.create(path, { kind });
    const positions = Array.from({ length: count }, (_, index) => writer.append(Buffer.from(`frame ${index}`)));
    await writer.sync();
    await writer.close();
    await writer.close();
    const reader = await FramedFileReader.open(path, { kind });
    try {
      await use(reader, positions);
    } finally {
      await reader.close();
    }
  });
}

describe('framed file', () => {
  it('joins the parts of a payload into one frame', async () => {
    await withTemporaryDirectory(async (directory) => {
      const writer = await FramedFileWriter.create(join(directory, 'file'), { kind });
      writer.append(Buffer.from('a'), Buffer.from(''), Buffer.from('bc'));
      writer.append();
      await writer.sync();
      expect(writer.pendingBytes).toBe(0);
      await writer.close();
      const reader = await FramedFileReader.open(join(directory, 'file'), { kind });
      const payloads: string[] = [];
      await reader.scan((payload) => payloads.push(payload.toString()));
      await reader.close();
      expect(payloads).toEqual(['abc', '']);
    });
  });

  it('can be read block by block from any frame, up to a given end', async () => {
    await withFrames(100, async (reader, positions) => {
      const from = positions[40] ?? 0;
      const end = positions[90] ?? 0;
      const found: number[] = [];
      for (let position = from; position < end;) {
        const block = await reader.readBlock(position, end, 200);
        found.push(...block.positions);
        position = block.nextPosition;
      }
      expect(found).toEqual(positions.slice(40, 90));
    });
  });

  it('reads a frame that is longer than the block asked for', async () => {
    await withTemporaryDirectory(async (directory) => {
      const writer = await FramedFileWriter.create(join(directory, 'file'), { kind });
      const position = writer.append(Buffer.alloc(3_000_000, 1));
      await writer.sync();
      await writer.close();
      const reader = await FramedFileReader.open(join(directory, 'file'), { kind });
      const block = await reader.readBlock(position, reader.sizeBytes, 100);
      expect(block.payloadLengths).toEqual([3_000_000]);
      await reader.close();
    });
  });

  it('refuses a place between two frames, and an end within one', async () => {
    await withFrames(3, async (reader, positions) => {
      const [first = 0, second = 0] = positions;
      for (const [from, end] of [
        [first + 1, reader.sizeBytes],
        [first, second - 1],
      ] as const) {
        // prettier-ignore
        const error = await rejection(reader.readBlock(from, end));
        expect(MillraceError.is(error, 'MILLRACE_LOG_CORRUPT')).toBe(true);
      }
    });
  });

  it('refuses another kind of file, another version and no framed file at all, each by its reason', async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, 'file');
      const writer = await FramedFileWriter.create(path, { kind });
      await writer.sync();
      await writer.close();
      const otherKind = await rejection(FramedFileReader.open(path, { kind: fileKinds.logSegment, corruptCode: 'MILLRACE_STATE_CORRUPT' })); // prettier-ignore
      expect(MillraceError.is(otherKind, 'MILLRACE_STATE_CORRUPT') && otherKind.message).toMatch(/another kind/);
      await writeFile(path, 'x'.repeat(100));
      const noFramed = await rejection(FramedFileReader.open(path, { kind }));
      expect(MillraceError.is(noFramed, 'MILLRACE_LOG_CORRUPT') && noFramed.message).toMatch(/does not start/);
      await writeFile(path, 'x');
      const short = await rejection(FramedFileReader.open(path, { kind }));
      expect(MillraceError.is(short, 'MILLRACE_LOG_CORRUPT') && short.message).toMatch(/shorter than its header/);
      const missing = await rejection(FramedFileReader.open(join(directory, 'missing'), { kind }));
      expect(MillraceError.is(missing, 'MILLRACE_STORAGE_FAILED')).toBe(true);
    });
  });

  it('takes a file of zeros for one that was never finished, and only that', async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, 'file');
      const cases: [Buffer, boolean][] = [[Buffer.alloc(0), true], [Buffer.alloc(5000), true], [Buffer.alloc(5000, 1), false], [Buffer.concat([Buffer.alloc(4999), Buffer.of(1)]), false]]; // prettier-ignore
      for (const [bytes, expected] of cases) {
        await writeFile(path, bytes);
        expect(await FramedFileReader.isUnfinished(path)).toBe(expected);
      }
    });
  });
});
