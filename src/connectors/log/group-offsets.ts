import { join } from 'node:path';
import { readAtomicFile, writeAtomicFile } from '../../storage/atomic-file.js';
import { createDirectory } from '../../storage/disk.js';
import { corruptError } from '../../storage/framed-file.js';
import type { CommittedOffset } from '../topic.js';

const FILE_NAME = 'offsets';
const FORMAT_VERSION = 1;

/**
 * The offsets of all consumer groups: one small file per group and topic, replaced as a whole, so that the partitions of
 * one commit change together. Main thread.
 */
export class GroupOffsets {
  readonly #directory: string;
  readonly #files = new Map<string, Promise<OffsetsFile>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  async commit(group: string, topic: string, offsets: ReadonlyMap<number, CommittedOffset>): Promise<void> {
    const file = await this.#open(group, topic);
    await file.commit(offsets);
  }

  async read(group: string, topic: string): Promise<ReadonlyMap<number, CommittedOffset>> {
    const file = await this.#open(group, topic);
    return new Map(file.offsets);
  }

  /** Waits for writes under way. */
  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.then((opened) => opened.idle()).catch(() => undefined);
  }

  /** A failed read is not remembered: the next call tries again. */
  #open(group: string, topic: string): Promise<OffsetsFile> {
    const directory = join(this.#directory, group, topic);
    const known = this.#files.get(directory);
    if (known !== undefined) return known;
    const opening = OffsetsFile.open(directory);
    this.#files.set(directory, opening);
    opening.catch(() => this.#files.delete(directory));
    return opening;
  }
}

/** One group's offsets in one topic. Commits that arrive while a write is under way share the next one. */
class OffsetsFile {
  readonly #directory: string;
  #durable: ReadonlyMap<number, CommittedOffset>;
  #waiting = new Map<number, CommittedOffset>();
  #writing: Promise<void> = Promise.resolve();
  #nextWrite: Promise<void> | null = null;

  private constructor(directory: string, offsets: ReadonlyMap<number, CommittedOffset>) {
    this.#directory = directory;
    this.#durable = offsets;
  }

  static async open(directory: string): Promise<OffsetsFile> {
    const path = join(directory, FILE_NAME);
    const payload = await readAtomicFile(path);
    return new OffsetsFile(directory, payload === null ? new Map() : parse(payload.toString('utf8'), path));
  }

  /** What would be found after a crash. */
  get offsets(): ReadonlyMap<number, CommittedOffset> {
    return this.#durable;
  }

  commit(offsets: ReadonlyMap<number, CommittedOffset>): Promise<void> {
    for (const [partition, committed] of offsets) this.#waiting.set(partition, committed);
    this.#nextWrite ??= this.#startWrite();
    return this.#nextWrite;
  }

  idle(): Promise<void> {
    return this.#nextWrite ?? this.#writing;
  }

  #startWrite(): Promise<void> {
    const write = this.#writing.then(() => this.#write());
    this.#writing = write.catch(() => undefined);
    return write;
  }

  async #write(): Promise<void> {
    this.#nextWrite = null;
    const merged = new Map([...this.#durable, ...this.#waiting]);
    this.#waiting.clear();
    await createDirectory(this.#directory);
    await writeAtomicFile(join(this.#directory, FILE_NAME), Buffer.from(format(merged), 'utf8'));
    this.#durable = merged;
  }
}

function format(offsets: ReadonlyMap<number, CommittedOffset>): string {
  const partitions = [...offsets].map(([partition, { offset, metadata }]) => [partition, offset, metadata]);
  return JSON.stringify({ version: FORMAT_VERSION, partitions });
}

function parse(text: string, path: string): Map<number, CommittedOffset> {
  const data = JSON.parse(text) as { version?: unknown; partitions?: readonly [number, number, string][] };
  if (data.version !== FORMAT_VERSION || data.partitions === undefined) {
    const reason = `format version ${String(data.version)} is not known to this release`;
    throw corruptError('MILLRACE_LOG_CORRUPT', path, 0, reason);
  }
  return new Map(data.partitions.map(([partition, offset, metadata]) => [partition, { offset, metadata }]));
}
