import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { readAtomicFile, writeAtomicFile } from '../../../src/storage/atomic-file.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';
import { rejection } from '../../helpers/topic-client.js';

describe('atomic file', () => {
  it('reads back the last content written, of any length, and null where nothing was', async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, 'file');
      expect(await readAtomicFile(path)).toBeNull();
      for (const length of [0, 1, 100_000]) {
        const content = Buffer.alloc(length, 7);
        await writeAtomicFile(path, content);
        expect((await readAtomicFile(path))?.equals(content)).toBe(true);
      }
      expect(await readdir(directory)).toEqual(['file']);
    });
  });

  it('goes by the finished file, whatever a crash left of the next one', async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, 'file');
      await writeAtomicFile(path, Buffer.from('old'));
      await writeFile(`${path}.tmp`, 'half of the n');
      expect((await readAtomicFile(path))?.toString()).toBe('old');
      await writeAtomicFile(path, Buffer.from('new'));
      expect((await readAtomicFile(path))?.toString()).toBe('new');
    });
  });

  it('names the file when any byte of it was changed, cut off or added, with the code it was asked to use', async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, 'file');
      await writeAtomicFile(path, Buffer.from('content'));
      const intact = await readFile(path);
      const damaged: Buffer[] = [intact.subarray(0, 0), Buffer.concat([intact, Buffer.of(1)])];
      for (let position = 0; position < intact.length; position++) {
        const bytes = Buffer.from(intact);
        bytes[position] = (bytes[position] ?? 0) ^ 0x10;
        damaged.push(bytes, intact.subarray(0, position));
      }
      for (const bytes of damaged) {
        await writeFile(path, bytes);
        const error = await rejection(readAtomicFile(path, 'MILLRACE_STATE_CORRUPT'));
        if (!MillraceError.is(error, 'MILLRACE_STATE_CORRUPT')) throw new Error('refused otherwise', { cause: error });
        expect(error.details?.['path']).toBe(path);
      }
    });
  });

  it('keeps the old content, and leaves nothing aside, when the new one cannot be written', async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, 'missing', 'file');
      const error = await rejection(writeAtomicFile(path, Buffer.from('x')));
      expect(MillraceError.is(error, 'MILLRACE_STORAGE_FAILED')).toBe(true);
      expect(await readdir(directory)).toEqual([]);
    });
  });
});
