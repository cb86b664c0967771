import { constants } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededPrng } from '../../../src/base/prng.js';
import { SECTOR_BYTES } from './simulated-file.js';
import { SimulatedDisk } from './simulated-disk.js';
import { turnsOfEventLoop } from './turns.js';

const byName = { creates: true, truncates: false, isSynced: false };

/** Lets the disk end whatever is asked of it. */
async function done<T>(disk: SimulatedDisk, prng: SeededPrng, call: Promise<T>): Promise<T> {
  await disk.runUntil(call, prng);
  return call;
}

const name = fc.constantFrom('a', 'b');
/** Few, so that what is written, cut and read meets. */
const position = fc.constantFrom(0, 100, SECTOR_BYTES, SECTOR_BYTES + 200, 3 * SECTOR_BYTES);
const step = fc.oneof(
  fc.record({
    kind: fc.constant('write' as const),
    name,
    position,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 900 }),
  }),
  fc.record({ kind: fc.constant('truncate' as const), name, position }),
  fc.record({ kind: fc.constant('remove' as const), name }),
  fc.record({ kind: fc.constant('rename' as const), name, to: name }),
  fc.record({ kind: fc.constant('read' as const), name, position, length: fc.constantFrom(50, 2_000) }),
  fc.record({ kind: fc.constant('list' as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What a step says on the real disk: an error's code, or what was read. */
async function onRealDisk(folder: string, one: Step): Promise<unknown> {
  try {
    if (one.kind === 'list') return (await readdir(folder)).sort();
    const path = join(folder, one.name);
    if (one.kind === 'remove') return await rm(path, { force: true });
    if (one.kind === 'rename') return await rename(path, join(folder, one.to));
    const handle = await open(path, constants.O_RDWR | (one.kind === 'write' ? constants.O_CREAT : 0));
    try {
      if (one.kind === 'write') return (await handle.write(one.bytes, 0, one.bytes.length, one.position)).bytesWritten;
      if (one.kind === 'truncate') return await handle.truncate(one.position);
      const target = Buffer.alloc(one.length);
      const { bytesRead } = await handle.read(target, 0, one.length, one.position);
      return [bytesRead, (await handle.stat()).size, target.toString('hex')];
    } finally {
      await handle.close();
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

async function onSimulatedDisk(disk: SimulatedDisk, prng: SeededPrng, one: Step): Promise<unknown> {
  try {
    if (one.kind === 'list') return (await done(disk, prng, disk.list('/f'))).map((entry) => entry.name).sort();
    const path = `/f/${one.name}`;
    if (one.kind === 'remove') return await done(disk, prng, disk.remove(path));
    if (one.kind === 'rename') return await done(disk, prng, disk.rename(path, `/f/${one.to}`));
    const handle = await done(disk, prng, disk.open(path, { ...byName, creates: one.kind === 'write' }));
    if (one.kind === 'write') return await done(disk, prng, disk.write(handle, one.bytes, one.position));
    if (one.kind === 'truncate') return await done(disk, prng, disk.truncate(handle, one.position));
    const target = Buffer.alloc(one.length);
    const bytesRead = await done(disk, prng, disk.read(handle, target, one.position));
    return [bytesRead, await done(disk, prng, disk.sizeOf(handle)), target.toString('hex')];
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

describe('the simulated disk', () => {
  it('answers as a real one, while nothing goes wrong', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        const folder = await mkdtemp(join(tmpdir(), 'millrace-disk-'));
        const disk = new SimulatedDisk();
        const prng = new SeededPrng(1);
        await mkdir(join(folder, 'f'));
        await done(disk, prng, disk.makeFolder('/f'));
        try {
          for (const one of steps) {
            expect(await onSimulatedDisk(disk, prng, one)).toEqual(await onRealDisk(join(folder, 'f'), one));
          }
        } finally {
          await rm(folder, { recursive: true });
        }
      }),
      { numRuns: 100 },
    );
  });

  const written = Buffer.alloc(3 * SECTOR_BYTES, 'x');

  /** What may be found of a file after a crash, over many. */
  async function afterCrashes(
    prepare: (disk: SimulatedDisk, call: <T>(made: Promise<T>) => Promise<T>) => Promise<void>,
    hasPower = false,
  ): Promise<Set<string>> {
    const found = new Set<string>();
    for (let seed = 1; seed <= 200; seed++) {
      const disk = new SimulatedDisk();
      const prng = new SeededPrng(seed);
      const call = <T>(made: Promise<T>): Promise<T> => done(disk, prng, made);
      await call(disk.makeFolder('/f'));
      await call(disk.sync(await call(disk.open('/', { ...byName, creates: false }))));
      await prepare(disk, call);
      await disk.abandon('/', prng);
      if (!hasPower) disk.losePower(prng);
      const file = await call(disk.open('/f/a', { ...byName, creates: false })).catch(() => null);
      if (file === null) {
        found.add('no file');
        continue;
      }
      const content = Buffer.alloc(written.length);
      const length = await call(disk.read(file, content, 0));
      const sectors = Array.from({ length: Math.ceil(length / SECTOR_BYTES) }, (_, sector) =>
        content[sector * SECTOR_BYTES] === 0 ? '0' : 'x',
      );
      found.add(sectors.join(''));
    }
    return found;
  }

  async function create(disk: SimulatedDisk, call: <T>(made: Promise<T>) => Promise<T>): Promise<number> {
    const file = await call(disk.open('/f/a', byName));
    await call(disk.sync(await call(disk.open('/f', { ...byName, creates: false }))));
    return file;
  }

  it('keeps what was synced, and the name when its folder was', async () => {
    const kept = await afterCrashes(async (disk, call) => {
      const file = await create(disk, call);
      await call(disk.write(file, written, 0));
      await call(disk.sync(file));
    });
    expect([...kept]).toEqual(['xxx']);
  });

  it('may lose a name whose folder was not synced, however durable the content', async () => {
    const kept = await afterCrashes(async (disk, call) => {
      const file = await call(disk.open('/f/a', byName));
      await call(disk.write(file, written, 0));
      await call(disk.sync(file));
    });
    expect([...kept].sort()).toEqual(['no file', 'xxx']);
  });

  it('may lose any sector of what was not synced, and its end', async () => {
    const kept = await afterCrashes(async (disk, call) => {
      await call(disk.write(await create(disk, call), written, 0));
    });
    expect(kept).toContain('');
    expect(kept).toContain('xxx');
    expect(kept).toContain('0x0');
    expect(kept).toContain('x');
  });

  it('loses nothing when only the process dies', async () => {
    const kept = await afterCrashes(async (disk, call) => {
      await call(disk.write(await create(disk, call), written, 0));
    }, true);
    expect([...kept]).toEqual(['xxx']);
  });

  it('may have done any part of a write that nobody heard of', async () => {
    const kept = await afterCrashes(async (disk, call) => {
      const file = await create(disk, call);
      void disk.write(file, written, 0);
    }, true);
    expect(kept).toContain('');
    expect(kept).toContain('xxx');
    expect(kept).toContain('x');
  });

  it('does not make durable with a later sync what an earlier one has failed to', async () => {
    const kept = await afterCrashes(async (disk, call) => {
      const file = await create(disk, call);
      await call(disk.write(file, written, 0));
      const failing = expect(disk.sync(file)).rejects.toThrow('simulated, sync');
      disk.step(new SeededPrng(1), true);
      await failing;
      await call(disk.sync(file));
    });
    expect([...kept]).toEqual(['000']);
  });

  it('never answers those who are gone', async () => {
    const disk = new SimulatedDisk();
    const prng = new SeededPrng(1);
    const file = await done(disk, prng, disk.open('/a', byName));
    let isAnswered = false;
    const answered = (): void => {
      isAnswered = true;
    };
    void disk.read(file, Buffer.alloc(1), 0).then(answered);
    const gone = disk.abandon('/', prng);
    void disk.open('/a', byName).then(answered);
    await gone;
    void disk.read(file, Buffer.alloc(1), 0).then(answered);
    expect(disk.pendingCount).toBe(0);
    await turnsOfEventLoop(2);
    expect(isAnswered).toBe(false);
  });
});
