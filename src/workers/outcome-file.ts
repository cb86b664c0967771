import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import { createDirectory, listDirectory, removeFile, replaceFile, storageError } from '../storage/disk.js';
import { fileKinds } from '../storage/frame-codec.js';
import { FramedFileReader, FramedFileWriter } from '../storage/framed-file.js';

/**
 * Files of outcomes: one frame for each, appended as they come, synced together. Nobody writes to a file of an attempt that has
 * ended; its last frames may be torn.
 */

/** Called when an outcome is durable, or with why it is not. */
export type OutcomeListener = (error: MillraceError | null) => void;

/** Names a file: by a number that grows from attempt to attempt, and by who writes it. */
export interface OutcomeFileName {
  readonly number: number;
  readonly worker: number;
}

/** A file that is being written. */
export interface OutcomeSink {
  /** Never waits. */
  append(frame: Uint8Array, listener: OutcomeListener): void;
  /** Waits for what is under way. Nothing is appended afterwards. */
  close(): Promise<void>;
}

const FILE_NAME = /^outcomes-(\d+)-(\d+)\.log$/;

/** Where the files lie; made when it is needed. */
export class OutcomeDirectory {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Files of all workers, by their numbers, ascending. */
  async list(): Promise<OutcomeFileName[]> {
    const files = (await listDirectory(this.#path)).flatMap((name) => {
      const [, number, worker] = FILE_NAME.exec(name) ?? [];
      return number === undefined ? [] : [{ number: Number(number), worker: Number(worker) }];
    });
    return files.sort((a, b) => a.number - b.number);
  }

  /** The frames of a file, oldest first: all that anybody was told of, and of the others any. */
  async read(name: OutcomeFileName): Promise<Uint8Array[]> {
    const path = this.#pathOf(name);
    if (await FramedFileReader.isUnfinished(path)) return [];
    const reader = await FramedFileReader.open(path, {
      kind: fileKinds.outcomes,
      corruptCode: 'MILLRACE_STATE_CORRUPT',
    });
    try {
      const frames: Uint8Array[] = [];
      await reader.scan((payload) => void frames.push(Uint8Array.from(payload)));
      return frames;
    } finally {
      await reader.close();
    }
  }

  create(name: OutcomeFileName): OutcomeSink {
    return new OutcomeFile(this.#path, this.#pathOf(name));
  }

  /**
   * Puts the same frames in the place of a file, durably. What was read of it may have been in the memory of the system alone: its
   * writer was killed before it had synced it, or its sync failed.
   */
  async rewrite(name: OutcomeFileName, frames: readonly Uint8Array[]): Promise<void> {
    const path = this.#pathOf(name);
    const aside = `${path}.tmp`;
    const writer = await FramedFileWriter.create(aside, { kind: fileKinds.outcomes });
    try {
      for (const frame of frames) writer.append(frame);
      await writer.sync();
    } finally {
      await writer.close();
    }
    await replaceFile(aside, path);
  }

  remove(name: OutcomeFileName): Promise<void> {
    return removeFile(this.#pathOf(name));
  }

  #pathOf({ number, worker }: OutcomeFileName): string {
    return join(this.#path, `outcomes-${String(number)}-${String(worker)}.log`);
  }
}

/** Writes one file. Made with its first outcome: an idle operator leaves none. Thread: its worker; nothing here waits. */
class OutcomeFile implements OutcomeSink {
  readonly #folder: string;
  readonly #path: string;
  #waiting: { readonly frame: Uint8Array; readonly listener: OutcomeListener }[] = [];
  #writer: FramedFileWriter | null = null;
  #writing: Promise<void> | null = null;

  constructor(folder: string, path: string) {
    this.#folder = folder;
    this.#path = path;
  }

  /** What comes while a sync is under way waits for the next one, together. */
  append(frame: Uint8Array, listener: OutcomeListener): void {
    this.#waiting.push({ frame, listener });
    this.#writing ??= this.#write();
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#writer?.close();
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const error = await this.#writeDurably(batch.map(({ frame }) => frame));
      for (const { listener } of batch) listener(error);
    }
    // In the same turn as the last look: what comes in the next one must find nobody at work.
    this.#writing = null;
  }

  async #writeDurably(frames: readonly Uint8Array[]): Promise<MillraceError | null> {
    try {
      this.#writer ??= await this.#create();
      for (const frame of frames) this.#writer.append(frame);
      await this.#writer.sync();
      return null;
    } catch (error) {
      return MillraceError.is(error) ? error : storageError(error, 'write outcomes to', this.#path);
    }
  }

  async #create(): Promise<FramedFileWriter> {
    await createDirectory(this.#folder);
    return FramedFileWriter.create(this.#path, { kind: fileKinds.outcomes });
  }
}
