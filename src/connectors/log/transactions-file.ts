import { join } from 'node:path';
import { readAtomicFile, writeAtomicFile } from '../../storage/atomic-file.js';
import { corruptError } from '../../storage/framed-file.js';
import type { StoredTransactions } from './topic-transactions.js';

const FILE_NAME = 'transactions';
const FORMAT_VERSION = 1;

/** What is kept of a topic's transactions; `null` for a topic that no transactional producer ever wrote. */
export async function readTransactions(directory: string): Promise<StoredTransactions | null> {
  const path = join(directory, FILE_NAME);
  const payload = await readAtomicFile(path);
  return payload === null ? null : parse(payload.toString('utf8'), path);
}

/** Durable when it resolves. */
export async function writeTransactions(directory: string, stored: StoredTransactions): Promise<void> {
  await writeAtomicFile(join(directory, FILE_NAME), Buffer.from(format(stored), 'utf8'));
}

function format({ transactionalId, isOpen, floor, aborted }: StoredTransactions): string {
  const ranges = aborted.map(({ partition, from, to, nextCheckpointId }) => [partition, from, to, nextCheckpointId]);
  return JSON.stringify({ version: FORMAT_VERSION, transactionalId, isOpen, floor, aborted: ranges });
}

function parse(text: string, path: string): StoredTransactions {
  // The checksum held: this is what was written.
  const data = JSON.parse(text) as Omit<StoredTransactions, 'aborted'> & {
    readonly version: unknown;
    readonly aborted: readonly (readonly [number, number, number, number])[];
  };
  if (data.version !== FORMAT_VERSION) {
    const reason = `format version ${String(data.version)} is not known to this release`;
    throw corruptError('MILLRACE_LOG_CORRUPT', path, 0, reason);
  }
  const { transactionalId, isOpen, floor } = data;
  const aborted = data.aborted.map(([partition, from, to, nextCheckpointId]) => ({
    partition,
    from,
    to,
    nextCheckpointId,
  }));
  return { transactionalId, isOpen, floor, aborted };
}
