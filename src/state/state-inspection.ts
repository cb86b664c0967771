/**
 * Reading stored state with the states that a job declares, without running it: what would come of each row, and of which rows
 * nothing would.
 *
 * The job's operators are opened on backends of {@link DeclaredStates}, so that their states are declared exactly as in a worker;
 * then every stored row is decoded and migrated with what was declared. Any thread; nothing is written.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import type { ShardId } from '../base/ids.js';
import type { RestoredState } from '../protocol/snapshot-handle.js';
import { fileNameOf } from '../storage/file-names.js';
import { KeyContext } from './key-context.js';
import { RowKeyReader } from './key-encoding.js';
import { type BackendHost, OperatorStateBackend } from './keyed-state-backend.js';
import { MemoryStateStore } from './memory-state-store.js';
import { CHECKSUM_BYTES, MergeCursor, type Section } from './section.js';
import { sortedSection } from './section-reader.js';
import { shardsById } from './shard-states.js';
import type { DictionaryEntry, StateKind } from './state-dictionary.js';
import { readSections } from './state-restore.js';
import { storedVersion, type ValueCodec } from './value-codec.js';

interface DeclaredState {
  readonly kind: StateKind;
  readonly serde: string;
  readonly codec: ValueCodec;
}

/** The states that operators ask for, remembered. */
export class DeclaredStates {
  readonly #shardCount: number;
  readonly #store: MemoryStateStore;
  readonly #states = new Map<string, DeclaredState>();

  constructor(shardCount: number, clock: Clock) {
    const shards = Array.from({ length: shardCount }, (_, shard) => shard as ShardId);
    this.#shardCount = shardCount;
    this.#store = new MemoryStateStore({ shardCount, shards, clock });
  }

  /** What an operator is opened with. Holds nothing. */
  openBackend(operatorUid: string): OperatorStateBackend {
    const store = this.#store;
    const host: BackendHost = {
      clock: store.clock,
      rowsOptions: (name, serde, context, codec) => {
        this.#states.set(nameOf(name.operatorUid, name.kind, name.name), { kind: name.kind, serde, codec });
        return store.rowsOptions(name, serde, context, codec);
      },
      loadRestored: () => undefined,
      forEachStored: () => undefined,
    };
    return new OperatorStateBackend(operatorUid, host, new KeyContext(this.#shardCount));
  }

  find({ operatorUid, kind, name }: DictionaryEntry): DeclaredState | undefined {
    return this.#states.get(nameOf(operatorUid, kind, name));
  }
}

/** What became of the rows of one stored state. */
export interface InspectedState {
  readonly operatorUid: string;
  readonly name: string;
  readonly kind: StateKind;
  /**
   * - `ok`: every value can be read.
   * - `failed`: some cannot, or the state is declared in another way.
   * - `undeclared`: the operator does not ask for it when it is opened.
   */
  readonly verdict: 'ok' | 'failed' | 'undeclared';
  readonly rows: number;
  /** Rows by the schema version that they are stored with. */
  readonly versions: Readonly<Record<number, number>>;
  readonly failedRows: number;
  /** The first failures. */
  readonly failures: readonly InspectedFailure[];
}

export interface InspectedFailure {
  /** As text; `null` when it is not one value's. */
  readonly key: string | null;
  readonly reason: string;
}

/** So many failures of a state are kept; the others are counted. */
const FAILURES_MAX = 10;

/** A state while its rows are being read. */
interface Inspection {
  readonly declared: DeclaredState | undefined;
  readonly state: { -readonly [Field in keyof InspectedState]: InspectedState[Field] } & {
    readonly versions: Record<number, number>;
    readonly failures: InspectedFailure[];
  };
}

/**
 * Reads every row of a namespace as a job would.
 *
 * @throws MillraceError `MILLRACE_STATE_CORRUPT` when what is stored is damaged
 */
export async function inspectState(
  options: {
    readonly namespace: string;
    readonly shardCount: number;
    readonly segmentDir: string;
    readonly stateDir: string;
  },
  restore: RestoredState,
  declared: DeclaredStates,
): Promise<InspectedState[]> {
  const { namespace, shardCount, segmentDir } = options;
  const shards = shardsById(
    Array.from({ length: shardCount }, (_, shard) => shard as ShardId),
    shardCount,
  );
  const where = { namespace, shardCount, segmentDir, stateDir: join(options.stateDir, fileNameOf(namespace)) };
  const { sections } = await readSections(where, shards, restore);
  const found = new Map<string, Inspection>();
  for (const ofShard of sections.values()) inspectShard(ofShard.map(sortedSection), declared, found);
  return [...found.values()].map(({ state }) => state);
}

function inspectShard(sections: readonly Section[], declared: DeclaredStates, found: Map<string, Inspection>): void {
  // A newer dictionary extends an older one.
  const dictionary = sections.reduce<readonly DictionaryEntry[]>(
    (longest, section) => (section.dictionary.length > longest.length ? section.dictionary : longest),
    [],
  );
  const cursor = new MergeCursor(sections);
  const reader = new RowKeyReader();
  while (cursor.advance()) {
    const row = cursor.current;
    const entry = row === null ? undefined : dictionary[row.stateId];
    if (row === null || row.isTombstone || entry === undefined) continue;
    const { state, declared: asDeclared } = inspectionOf(entry, declared, found);
    state.rows += 1;
    if (entry.kind === 'timer') continue;
    const value = row.source.subarray(row.keyEnd + CHECKSUM_BYTES, row.valueEnd);
    const version = storedVersion(value);
    state.versions[version] = (state.versions[version] ?? 0) + 1;
    if (asDeclared === undefined || state.failures[0]?.key === null) continue;
    reader.open(row.source, row.keyStart, row.keyEnd);
    tryRow(state, asDeclared, reader, value);
  }
}

function tryRow(state: Inspection['state'], { codec }: DeclaredState, reader: RowKeyReader, value: Buffer): void {
  try {
    codec.read(value, 0, value.length);
  } catch (error) {
    state.verdict = 'failed';
    state.failedRows += 1;
    if (state.failures.length === FAILURES_MAX) return;
    const reason = error instanceof Error ? error.message : String(error);
    state.failures.push({ key: JSON.stringify(reader.readElement()), reason });
  }
}

function inspectionOf(entry: DictionaryEntry, declared: DeclaredStates, found: Map<string, Inspection>): Inspection {
  const id = nameOf(entry.operatorUid, entry.kind, entry.name);
  const known = found.get(id);
  if (known !== undefined) return known;
  const state = declared.find(entry);
  const conflict = state === undefined ? null : conflictOf(entry, state);
  const inspection: Inspection = {
    declared: state,
    state: {
      operatorUid: entry.operatorUid,
      name: entry.name,
      kind: entry.kind,
      verdict: state === undefined ? 'undeclared' : conflict === null ? 'ok' : 'failed',
      rows: 0,
      versions: {},
      failedRows: 0,
      failures: conflict === null ? [] : [{ key: null, reason: conflict }],
    },
  };
  found.set(id, inspection);
  return inspection;
}

function conflictOf(stored: DictionaryEntry, { kind, serde }: DeclaredState): string | null {
  if (kind !== stored.kind) return `it is stored as ${stored.kind} state, and declared as ${kind} state`;
  return serde === stored.serde ? null : `it is stored with serde '${stored.serde}', and declared with '${serde}'`;
}

/** Timers have names of their own, apart from the author's states. */
function nameOf(operatorUid: string, kind: StateKind, name: string): string {
  return JSON.stringify([operatorUid, kind === 'timer', name]);
}
