/**
 * What the code under simulation calls of `node:fs`, over the present simulated disk. What is missing here it does not call: it
 * would not go to the real disk unseen.
 */
import { callbackify } from 'node:util';
import { presentDisk } from './present-disk.js';

export const constants = { O_RDWR: 2, O_CREAT: 64, O_TRUNC: 512, O_DSYNC: 4096 } as const;

export const open = callbackify((path: string, flags: number, _mode: number) =>
  presentDisk().open(path, {
    creates: (flags & constants.O_CREAT) !== 0,
    truncates: (flags & constants.O_TRUNC) !== 0,
    isSynced: (flags & constants.O_DSYNC) !== 0,
  }),
);

export const write = callbackify((file: number, source: Buffer, offset: number, length: number, position: number) =>
  presentDisk().write(file, source.subarray(offset, offset + length), position),
);

export const writev = callbackify((file: number, regions: readonly Buffer[], position: number) =>
  presentDisk().write(file, Buffer.concat(regions), position),
);

export const ftruncate = callbackify((file: number, size: number) => presentDisk().truncate(file, size));

export const fdatasync = callbackify((file: number) => presentDisk().sync(file));

export const fstat = callbackify(async (file: number) => ({ size: await presentDisk().sizeOf(file) }));

export const close = callbackify((file: number) => presentDisk().close(file));
