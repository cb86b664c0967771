import { cp, open, readdir, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { EmbeddedLog } from '../../../src/connectors/log/embedded-log.js';
import { smallSizes } from '../../helpers/embedded-log.js';
import { withMemoryDirectory } from '../../helpers/temporary-directory.js';
import { positionsFrom, producerRecord, TopicClient } from '../../helpers/topic-client.js';

const TOPIC = 't';
const PARTITIONS = 3;
const config = { partitions: PARTITIONS, retentionMs: Infinity, retentionBytes: Infinity };

interface Log {
  readonly dataDir: string;
  /** Every file with data of the topic, segments oldest first. */
  readonly files: readonly string[];
  readonly values: readonly string[];
}

/** A log of several segments, closed in order; values hold zeros, text and every other byte. */
async function writeLog(dataDir: string): Promise<Log> {
  const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
  await log.createTopic(TOPIC, config);
  const values: string[] = [];
  for (let index = 0; index < 80; index++) {
    const filler =
      index % 3 === 0 ? Buffer.alloc(700) : Buffer.from(Array.from({ length: 300 }, (_, at) => (at * index) % 256));
    const value = Buffer.concat([Buffer.from(`${index}:`), filler]);
    values.push(value.toString('latin1'));
    log.append(
      TOPIC,
      producerRecord({ partition: index % PARTITIONS, value, headers: [['h', Buffer.from('v')]] }),
      null,
    );
    if (index % 4 === 0) await log.flush();
  }
  await log.close();
  const directory = join(dataDir, 'topics', TOPIC);
  const names = await readdir(directory);
  return { dataDir, files: names.sort((a, b) => a.localeCompare(b)).map((name) => join(directory, name)), values };
}

async function readAll(dataDir: string): Promise<readonly (string | null)[]> {
  const log = await EmbeddedLog.open({ dataDir, ...smallSizes });
  try {
    const { endOffsets } = await log.describe(TOPIC);
    const client = new TopicClient(log, TOPIC, positionsFrom(0, PARTITIONS));
    await client.read(endOffsets.reduce((sum, end) => sum + end, 0));
    return client.values;
  } finally {
    await log.close();
  }
}

/** The values read, or the file that is named as damaged. */
async function outcome(dataDir: string): Promise<readonly (string | null)[] | string> {
  try {
    return await readAll(dataDir);
  } catch (error) {
    if (!MillraceError.is(error, 'MILLRACE_LOG_CORRUPT')) throw error;
    return String(error.details?.['path']);
  }
}

/** Runs `damage` on copies of one log, at many places. */
async function tryEverywhere(
  numRuns: number,
  damage: (path: string, where: number, bits: number) => Promise<void>,
  judge: (result: readonly (string | null)[] | string, path: string, original: Log) => void,
): Promise<void> {
  await withMemoryDirectory(async (parent) => {
    const original = await writeLog(join(parent, 'original'));
    expect(original.files.length).toBeGreaterThan(4);
    const unit = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(original.files.length - 1),
        unit,
        fc.integer({ min: 1, max: 255 }),
        async (file, where, bits) => {
          run += 1;
          const dataDir = join(parent, `copy-${run}`);
          await cp(original.dataDir, dataDir, { recursive: true });
          const path = join(dataDir, (original.files[file] ?? '').slice(original.dataDir.length));
          await damage(path, where, bits);
          judge(await outcome(dataDir), path, original);
        },
      ),
      { numRuns },
    );
  });
}

describe('a damaged log', () => {
  it('is read exactly, or the damaged file is named, wherever bits of one byte were flipped', async () => {
    await tryEverywhere(
      250,
      async (path, where, bits) => {
        const position = Math.floor(where * (await stat(path)).size);
        const byte = (await readFile(path))[position] ?? 0;
        const file = await open(path, 'r+');
        await file.write(Buffer.of(byte ^ bits), 0, 1, position);
        await file.close();
      },
      (result, path, original) => {
        if (typeof result === 'string') expect(result).toBe(path);
        else expect(result).toEqual(original.values);
      },
    );
  });

  it('is named when a sealed segment or the metadata was cut; the last segment loses its end at most', async () => {
    await tryEverywhere(
      150,
      async (path, where) => {
        await truncate(path, Math.floor(where * (await stat(path)).size));
      },
      (result, path, original) => {
        if (typeof result === 'string') {
          expect(result).toBe(path);
          return;
        }
        // Only of the last segment a shorter length cannot be told from a crash.
        expect(path.endsWith(original.files.at(-2)?.slice(-16) ?? '')).toBe(true);
        expect(result).toEqual(original.values.slice(0, result.length));
      },
    );
  });
});
