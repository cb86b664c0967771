import { invariant } from '../../../src/base/invariant.js';
import type { Prng } from '../../../src/base/prng.js';
import { turnsOfEventLoop } from './turns.js';
import { SECTOR_BYTES, SimulatedFile } from './simulated-file.js';
import { type Entry, SimulatedFolder } from './simulated-folder.js';

/** Calls that a full disk refuses; it fails the others in other ways. */
const needRoom: ReadonlySet<string> = new Set(['create', 'mkdir', 'rename', 'write', 'sync']);

/** Of the flags of `open` those that mean something here. */
export interface OpenMode {
  readonly creates: boolean;
  readonly truncates: boolean;
  /** Each write is durable when it ends. */
  readonly isSynced: boolean;
}

/** Promises that a disk breaks which lies. */
export type DiskLie = 'none' | 'content' | 'names';

interface Handle {
  readonly path: string;
  readonly entry: Entry;
  readonly isSynced: boolean;
}

interface Operation {
  /** For messages. */
  readonly name: string;
  readonly path: string;
  run(): unknown;
  /** What may have come of it when it fails, or when nobody hears of its end; nothing when absent. */
  runInPart?(prng: Prng): void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A file system in memory that does what it is asked for one call at a time, in any order, when the simulation says so. Calls
 * fail, processes die with calls under way, and the power is lost: what was not made durable is then there, or not, or in
 * part.
 *
 * It keeps less than most file systems do: a name is durable only when its folder was synced, not with the file's own sync.
 */
export class SimulatedDisk {
  readonly #root = new SimulatedFolder();
  readonly #lie: DiskLie;
  #operations: Operation[] = [];
  /** Numbers are used once: a call with another one comes from somebody who is gone. */
  readonly #handles = new Map<number, Handle>();
  #nextHandle = 3;
  /** Whoever calls for something below this path is gone. */
  #abandoned: string | null = null;

  constructor(lie: DiskLie = 'none') {
    this.#lie = lie;
  }

  get pendingCount(): number {
    return this.#operations.length;
  }

  /** One of the calls under way comes to its end, or fails. */
  step(prng: Prng, isFault = false): void {
    const [operation] = this.#operations.splice(prng.below(Math.max(1, this.#operations.length)), 1);
    if (operation === undefined) return;
    try {
      if (isFault) {
        operation.runInPart?.(prng);
        throw systemError(
          needRoom.has(operation.name) && prng.below(2) === 0 ? 'ENOSPC' : 'EIO',
          `${operation.name} '${operation.path}'`,
        );
      }
      operation.resolve(operation.run());
    } catch (error) {
      operation.reject(error as Error);
    }
  }

  /**
   * Ends calls until `work` has come to its end, or so many have ended.
   *
   * @param faultRate how often one fails, from 0 to 1
   * @returns whether it has come to its end
   */
  async runUntil(
    work: Promise<unknown>,
    prng: Prng,
    { callsMax = Infinity, faultRate = 0 }: { readonly callsMax?: number; readonly faultRate?: number } = {},
  ): Promise<boolean> {
    const progress = { isOver: false };
    const over = (): void => {
      progress.isOver = true;
    };
    work.then(over, over);
    for (let calls = 0; ; calls++) {
      await turnsOfEventLoop(1);
      if (progress.isOver || calls >= callsMax) return progress.isOver;
      this.step(prng, faultRate > 0 && prng.next() < faultRate);
    }
  }

  /**
   * Those who work below a path are gone, with their calls under way: each of these is carried out, in part or whole, or not,
   * and nobody hears of it. Resolves when nothing is left of them.
   */
  async abandon(path: string, prng: Prng): Promise<void> {
    this.#abandoned = path;
    for (const operation of this.#operations.filter((one) => isBelow(one.path, path))) settleUnheard(operation, prng);
    this.#operations = this.#operations.filter((one) => !isBelow(one.path, path));
    for (const [number, handle] of this.#handles) if (isBelow(handle.path, path)) this.#handles.delete(number);
    // What they have asked their event loop for still comes.
    await turnsOfEventLoop(TURNS_LEFT);
    this.#abandoned = null;
  }

  /** To follow when everybody has gone. */
  losePower(prng: Prng): void {
    this.#root.losePower(prng);
  }

  // -------------------------------------------------------------------------------------------------- calls by path

  open(path: string, mode: OpenMode): Promise<number> {
    return this.#submit(mode.creates ? 'create' : 'open', path, () => {
      const handle = { path, entry: this.#openEntry(path, mode), isSynced: mode.isSynced };
      this.#handles.set(this.#nextHandle, handle);
      return this.#nextHandle++;
    });
  }

  makeFolder(path: string): Promise<void> {
    return this.#submit('mkdir', path, () => {
      const { folder, name } = this.#placeOf(path);
      if (folder.get(name) !== undefined) throw systemError('EEXIST', path);
      folder.change([[name, new SimulatedFolder()]]);
    });
  }

  /** Names, and whether they are those of files. */
  list(path: string): Promise<readonly { readonly name: string; readonly isFile: boolean }[]> {
    return this.#submit('readdir', path, () => {
      const entry = this.#entryAt(path);
      if (!(entry instanceof SimulatedFolder)) throw systemError('ENOTDIR', path);
      return [...entry.entries].map(([name, one]) => ({ name, isFile: one instanceof SimulatedFile }));
    });
  }

  isFolder(path: string): Promise<boolean> {
    return this.#submit('stat', path, () => this.#entryAt(path) instanceof SimulatedFolder);
  }

  /** Whether it is there or not. */
  remove(path: string): Promise<void> {
    return this.#submit('rm', path, () => {
      const { folder, name } = this.#placeOf(path);
      if (folder.get(name) !== undefined) folder.change([[name, null]]);
    });
  }

  /** Within one folder. */
  rename(from: string, to: string): Promise<void> {
    return this.#submit('rename', from, () => {
      const source = this.#placeOf(from);
      const target = this.#placeOf(to);
      invariant(source.folder === target.folder, 'nothing is moved to another folder');
      source.folder.change([
        [source.name, null],
        [target.name, this.#entryAt(from)],
      ]);
    });
  }

  // ------------------------------------------------------------------------------------------------ calls by handle

  read(number: number, target: Uint8Array, position: number): Promise<number> {
    return this.#onFile('read', number, (file) => file.read(target, position));
  }

  write(number: number, bytes: Uint8Array, position: number): Promise<number> {
    const isSynced = this.#handles.get(number)?.isSynced === true && this.#lie !== 'content';
    return this.#onFile(
      'write',
      number,
      (file) => {
        file.write(bytes, position);
        if (isSynced) file.syncRange(position, position + bytes.length);
        return bytes.length;
      },
      (file, prng) => {
        writeInPart(file, bytes, position, prng);
        if (isSynced) file.failSyncOfRange(position, position + bytes.length);
      },
    );
  }

  truncate(number: number, size: number): Promise<void> {
    return this.#onFile('truncate', number, (file) => file.truncate(size));
  }

  sizeOf(number: number): Promise<number> {
    return this.#onFile('fstat', number, ({ size }) => size);
  }

  /** Of a file its content, of a folder the names in it. */
  sync(number: number): Promise<void> {
    return this.#onEntry(
      'sync',
      number,
      (entry) => {
        const isLie = entry instanceof SimulatedFile ? this.#lie === 'content' : this.#lie === 'names';
        if (!isLie) entry.sync();
      },
      (entry) => {
        if (entry instanceof SimulatedFile) entry.failSync();
      },
    );
  }

  close(number: number): Promise<void> {
    return this.#onEntry('close', number, () => void this.#handles.delete(number));
  }

  // ---------------------------------------------------------------------------------------------------------- within

  #onFile<T>(
    name: string,
    number: number,
    run: (file: SimulatedFile) => T,
    runInPart?: (file: SimulatedFile, prng: Prng) => void,
  ): Promise<T> {
    const asFile = (entry: Entry): SimulatedFile => {
      if (entry instanceof SimulatedFile) return entry;
      throw systemError('EISDIR', this.#handles.get(number)?.path ?? '');
    };
    return this.#onEntry(
      name,
      number,
      (entry) => run(asFile(entry)),
      runInPart === undefined ? undefined : (entry, prng) => runInPart(asFile(entry), prng),
    );
  }

  #onEntry<T>(
    name: string,
    number: number,
    run: (entry: Entry) => T,
    runInPart?: (entry: Entry, prng: Prng) => void,
  ): Promise<T> {
    const handle = this.#handles.get(number);
    if (handle === undefined) return never();
    const { path, entry } = handle;
    return this.#submit(
      name,
      path,
      () => run(entry),
      runInPart === undefined ? undefined : (prng) => runInPart(entry, prng),
    );
  }

  #submit<T>(name: string, path: string, run: () => T, runInPart?: (prng: Prng) => void): Promise<T> {
    if (this.#abandoned !== null && isBelow(path, this.#abandoned)) return never();
    return new Promise<T>((resolve, reject) => {
      this.#operations.push({
        name,
        path,
        run,
        ...(runInPart === undefined ? {} : { runInPart }),
        resolve: (result) => resolve(result as T),
        reject,
      });
    });
  }

  #openEntry(path: string, { creates, truncates }: OpenMode): Entry {
    if (!creates) return this.#entryAt(path);
    const { folder, name } = this.#placeOf(path);
    const existing = folder.get(name);
    if (existing === undefined) {
      const file = new SimulatedFile();
      folder.change([[name, file]]);
      return file;
    }
    if (truncates && existing instanceof SimulatedFile) existing.truncate(0);
    return existing;
  }

  #entryAt(path: string): Entry {
    let entry: Entry = this.#root;
    for (const name of partsOf(path)) {
      if (!(entry instanceof SimulatedFolder)) throw systemError('ENOTDIR', path);
      const next: Entry | undefined = entry.get(name);
      if (next === undefined) throw systemError('ENOENT', path);
      entry = next;
    }
    return entry;
  }

  #placeOf(path: string): { folder: SimulatedFolder; name: string } {
    const parts = partsOf(path);
    const name = parts.pop();
    invariant(name !== undefined, 'the root has no place');
    const folder = this.#entryAt(parts.join('/'));
    if (!(folder instanceof SimulatedFolder)) throw systemError('ENOTDIR', path);
    return { folder, name };
  }
}

/** Whatever was asked of the event loop asks for no more than so many turns. */
const TURNS_LEFT = 3;

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

function settleUnheard(operation: Operation, prng: Prng): void {
  try {
    const outcome = prng.below(3);
    if (outcome === 0) operation.run();
    else if (outcome === 1) operation.runInPart?.(prng);
  } catch {
    // Nobody hears of that either.
  }
}

/** Whole sectors, from the front as a full disk takes them, or any. */
function writeInPart(file: SimulatedFile, bytes: Uint8Array, position: number, prng: Prng): void {
  const end = position + bytes.length;
  const isFromFront = prng.below(2) === 0;
  for (let at = position; at < end; at = sectorEnd(at)) {
    const isWritten = prng.below(3) > 0;
    if (isWritten) file.write(bytes.subarray(at - position, Math.min(end, sectorEnd(at)) - position), at);
    else if (isFromFront) return;
  }
}

function sectorEnd(position: number): number {
  return position - (position % SECTOR_BYTES) + SECTOR_BYTES;
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${what}`), { code });
}

/** What a call comes to that nobody waits for any more. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
