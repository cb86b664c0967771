/**
 * One folder of an object store that holds everything its checkpoints need: a savepoint, or what one writer has archived.
 *
 *     <name>                                                   a manifest: its appearance is the commit of the checkpoint
 *     segments/<file>/<piece>-of-<pieces>                      a segment file, as a worker wrote it
 *     bases/<namespace>/<shard>-<checkpoint>/<piece>-of-<pieces>   a compacted copy of a shard's LMDB base; where several write
 *                                                              to the folder, `-<writer>` goes behind the checkpoint
 *
 * Each object ends in a checksum of its bytes. A manifest is the same document as on a local disk (checkpoint-manifest.ts). Its
 * handles name, for a shard with a base, the checkpoint that the copy holds at least, and every segment of which the copy may lack
 * rows: so the state of single shards can be fetched alone, {@link ArchiveFolder.fetchShards}. The whole format:
 * docs/checkpoint-format.md.
 *
 * Any thread.
 */
import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { MillraceError } from '../base/errors.js';
import type { ShardId } from '../base/ids.js';
import type { BaseHandle, SegmentHandle, SnapshotHandle } from '../protocol/snapshot-handle.js';
import { createDirectory, storageError, syncDirectory } from '../storage/disk.js';
import { fileNameOf } from '../storage/file-names.js';
import { type CheckpointManifest, decodeManifest, encodeManifest } from './checkpoint-manifest.js';
import type { ObjectStore } from './object-store.js';

/** Names a copy of a shard's base, which holds at least `checkpointId`. */
export interface ArchivedBase extends Omit<BaseHandle, 'lineage'> {
  readonly namespace: string;
}

/** Where the state of some shards is fetched to. */
export interface FetchOptions {
  /** Those wanted. @defaultValue all */
  readonly shards?: ReadonlySet<ShardId>;
  readonly segmentDir: string;
  /** Bases go to `<stateDir>/<namespace>/shard-NNN`, where an lmdb store looks for them. */
  readonly stateDir: string;
  /** Goes before the names of segments: a folder may hold files of its own under the same name. */
  readonly filePrefix: string;
  /** Whether a shard's base is there already and not older than the copy: it is kept then. @defaultValue none is */
  readonly hasBase?: (shard: ShardId) => boolean;
}

/** Files longer than this are cut: memory stays bounded, and a failed upload repeats little. */
const PIECE_BYTES = 16 << 20;
const CHECKSUM_BYTES = 4;

export class ArchiveFolder {
  readonly #objects: ObjectStore;
  /** Empty, or ends in a slash. */
  readonly #prefix: string;

  constructor(objects: ObjectStore, prefix: string) {
    this.#objects = objects;
    this.#prefix = prefix;
  }

  get location(): string {
    return this.#prefix === '' ? this.#objects.location : `${this.#objects.location}/${this.#prefix.slice(0, -1)}`;
  }

  /** Commits a checkpoint, whose segments and bases have all been put before. */
  async putManifest(name: string, manifest: CheckpointManifest): Promise<void> {
    const document = encodeManifest(manifest);
    const object = Buffer.allocUnsafe(document.length + CHECKSUM_BYTES);
    object.set(document);
    object.writeUInt32LE(crc32(document), document.length);
    await this.#objects.put(this.#prefix + name, object);
  }

  /**
   * `null` when there is no such manifest.
   *
   * @throws MillraceError `MILLRACE_STATE_CORRUPT` when it is damaged, `MILLRACE_STATE_INCOMPATIBLE` when a newer release wrote it
   */
  async getManifest(name: string): Promise<CheckpointManifest | null> {
    const object = await this.#objects.get(this.#prefix + name);
    return object === null ? null : decodeManifest(this.#checked(object, name), `${this.location}/${name}`);
  }

  /** @returns the bytes sent */
  async putSegment(file: string, path: string): Promise<number> {
    return this.#putFile(segmentPrefix(file), path);
  }

  /** Fetches a segment into a file. */
  async fetchSegment(file: string, path: string): Promise<void> {
    await this.#fetchFile(segmentPrefix(file), path);
  }

  /** @returns the bytes sent */
  async putBase(base: ArchivedBase, path: string): Promise<number> {
    const prefix = basePrefix(base);
    // Pieces of a copy that a crash cut short would mix with those of this one.
    for (const key of await this.#list(prefix)) await this.#objects.delete(this.#prefix + key);
    return this.#putFile(prefix, path);
  }

  /** Fetches a copy into a file, whose folder is made. */
  async fetchBase(base: ArchivedBase, path: string): Promise<void> {
    await this.#fetchFile(basePrefix(base), path);
  }

  /**
   * Fetches what a store needs to go on with some shards of a handle.
   *
   * @returns the handle to restore from, for these shards alone
   */
  async fetchShards(handle: SnapshotHandle, options: FetchOptions): Promise<SnapshotHandle> {
    const { segmentDir, stateDir, filePrefix, hasBase } = options;
    const shards = options.shards ?? new Set(handle.shards);
    const segments: SegmentHandle[] = [];
    for (const segment of handle.segments) {
      const sections = segment.sections.filter(({ shard }) => shards.has(shard));
      if (sections.length === 0) continue;
      const file = filePrefix + segment.file;
      await this.fetchSegment(segment.file, join(segmentDir, file));
      segments.push({ ...segment, file, sections });
    }
    const bases = handle.bases.filter(({ shard }) => shards.has(shard));
    for (const base of bases) {
      if (base.checkpointId === 0 || hasBase?.(base.shard) === true) continue;
      const folder = baseFolder(stateDir, handle.namespace, base.shard);
      await this.fetchBase({ ...base, namespace: handle.namespace }, join(folder, 'data.mdb'));
    }
    return { ...handle, shards: handle.shards.filter((shard) => shards.has(shard)), segments, bases };
  }

  /**
   * Deletes every segment and base that no kept manifest names: superseded ones, and what a crash left behind. Not while
   * something is being put.
   */
  async sweep(kept: readonly CheckpointManifest[]): Promise<void> {
    const needed = partsOf(kept);
    for (const key of await this.#list('')) {
      const prefix = key.slice(0, key.lastIndexOf('/') + 1);
      if (!/^(?:segments|bases)\//.test(key) || needed.has(prefix)) continue;
      await this.#objects.delete(this.#prefix + key);
    }
  }

  /** Deletes some of what {@link partsOf} has: no manifest may name it any more. */
  async deleteParts(parts: Iterable<string>): Promise<void> {
    for (const prefix of parts) {
      for (const key of await this.#list(prefix)) await this.#objects.delete(this.#prefix + key);
    }
  }

  async deleteManifest(name: string): Promise<void> {
    await this.#objects.delete(this.#prefix + name);
  }

  /** Deletes the folder with everything in it, its manifests first. */
  async deleteAll(): Promise<void> {
    const keys = await this.#list('');
    const parts = keys.filter((key) => /^(?:segments|bases)\//.test(key));
    const manifests = keys.filter((key) => !parts.includes(key));
    for (const key of [...manifests, ...parts]) await this.#objects.delete(this.#prefix + key);
    if (this.#prefix === '') await this.#objects.removeEmpty();
  }

  async #putFile(prefix: string, path: string): Promise<number> {
    const file = await open(path, 'r').catch((error: unknown) => {
      throw storageError(error, 'read the file', path);
    });
    try {
      const { size } = await file.stat();
      const pieces = Math.max(1, Math.ceil(size / PIECE_BYTES));
      for (let piece = 0; piece < pieces; piece++) {
        const length = Math.min(PIECE_BYTES, size - piece * PIECE_BYTES);
        const bytes = Buffer.allocUnsafe(length + CHECKSUM_BYTES);
        await file.read(bytes, 0, length, piece * PIECE_BYTES);
        bytes.writeUInt32LE(crc32(bytes.subarray(0, length)), length);
        await this.#objects.put(`${this.#prefix}${prefix}${pieceName(piece, pieces)}`, bytes);
      }
      return size;
    } finally {
      await file.close();
    }
  }

  /** Under another name first: what a kill left behind does not pass for the file. */
  async #fetchFile(prefix: string, path: string): Promise<void> {
    const names = await this.#list(prefix);
    const pieces = Number(/-of-(\d+)$/.exec(names[0] ?? '')?.[1] ?? 0);
    if (pieces === 0 || names.length !== pieces) {
      throw this.#corrupt(prefix, `${String(names.length)} of ${String(pieces)} pieces are there`);
    }
    const aside = `${path}.tmp`;
    try {
      await createDirectory(dirname(path));
      const file = await open(aside, 'w');
      try {
        for (let piece = 0; piece < pieces; piece++) {
          await file.writeFile(await this.#getPiece(prefix + pieceName(piece, pieces)));
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(aside, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      throw storageError(error, 'write the file', path);
    }
  }

  async #getPiece(key: string): Promise<Buffer> {
    const object = await this.#objects.get(this.#prefix + key);
    if (object === null) throw this.#corrupt(key, 'it is not there');
    return this.#checked(object, key);
  }

  #checked(object: Buffer, key: string): Buffer {
    const length = object.length - CHECKSUM_BYTES;
    if (length < 0 || crc32(object.subarray(0, length)) !== object.readUInt32LE(length)) {
      throw this.#corrupt(key, 'it does not match its checksum');
    }
    return object.subarray(0, length);
  }

  async #list(prefix: string): Promise<string[]> {
    const keys = await this.#objects.list(this.#prefix + prefix);
    return keys.map((key) => key.slice(this.#prefix.length));
  }

  #corrupt(key: string, reason: string): MillraceError {
    return new MillraceError('MILLRACE_STATE_CORRUPT', `'${key}' in '${this.location}' cannot be used: ${reason}`, {
      details: { store: this.location, key },
      hint: 'Restore it from a copy, or go on from another checkpoint.',
    });
  }
}

/** Where an lmdb store looks for the base of a shard. */
export function baseFolder(stateDir: string, namespace: string, shard: ShardId): string {
  return join(stateDir, fileNameOf(namespace), `shard-${String(shard).padStart(3, '0')}`);
}

function segmentPrefix(file: string): string {
  return `segments/${file}/`;
}

function basePrefix({ namespace, shard, checkpointId, writer }: ArchivedBase): string {
  const name = [shard, checkpointId, ...(writer === undefined ? [] : [writer])].join('-');
  return `bases/${fileNameOf(namespace)}/${name}/`;
}

/** The segments and bases that manifests name, by the prefixes of their objects. */
export function partsOf(manifests: Iterable<CheckpointManifest>): Set<string> {
  const parts = new Set<string>();
  for (const { snapshots } of manifests) {
    for (const { namespace, segments, bases } of snapshots) {
      for (const { file } of segments) parts.add(segmentPrefix(file));
      for (const base of bases) if (base.checkpointId > 0) parts.add(basePrefix({ ...base, namespace }));
    }
  }
  return parts;
}

/** Whether a part was put by the writer whose name its own begins or ends with. */
export function isPartOf(writer: string, part: string): boolean {
  return part.startsWith(`segments/${writer}.`) || part.endsWith(`-${writer}/`);
}

function pieceName(piece: number, pieces: number): string {
  return `${String(piece).padStart(5, '0')}-of-${String(pieces).padStart(5, '0')}`;
}
