import { readFile } from 'node:fs/promises';
import { AdminClient, adminOptions } from './admin-client.js';
import { type Command, EXIT_OK, integerOption, type Invocation, textOption, UsageError } from './command.js';

const RECORDS_DEFAULT = 20;
/** What the admin API gives at a time. */
const PAGE_MAX = 500;

interface Partition {
  readonly partition: number;
  readonly beginOffset: number;
  readonly endOffset: number;
  readonly position: number | null;
  readonly lag: number | null;
}

interface Topic {
  readonly name: string;
  readonly role: string;
  readonly sizeBytes: number;
  readonly recordCount: number;
  readonly lag: number | null;
  readonly partitions: readonly Partition[];
}

interface Decoded {
  readonly encoding: 'none' | 'json' | 'text' | 'base64';
  readonly json?: unknown;
  readonly text?: string;
  readonly base64?: string;
}

interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Decoded;
  readonly value: Decoded;
  readonly headers: Readonly<Record<string, string>>;
}

/** The topics of a running job, and the records in them. */
export const topics: Command = {
  summary: 'List the topics of a running job, describe one, or read its records.',
  usage: 'list | describe <topic> | read <topic> [--partition N] [--from N] [--max N]   [--url http://…]',
  options: {
    ...adminOptions,
    partition: {
      type: 'string',
      placeholder: 'n',
      description: 'Of read: only this partition. Default: all, in turn.',
    },
    from: {
      type: 'string',
      placeholder: 'n',
      description:
        'Of read: first offset, in each partition; earliest for the first stored. Default: the newest records.',
    },
    max: {
      type: 'string',
      placeholder: 'n',
      description: `Of read: most records, of each partition. Default: ${String(RECORDS_DEFAULT)}.`,
    },
  },
  async run(invocation) {
    const [action, topic, ...more] = invocation.positionals;
    if (more.length > 0) throw new UsageError('too many arguments');
    if (action === 'list' && topic === undefined) return list(invocation);
    if ((action === 'describe' || action === 'read') && topic !== undefined) {
      return action === 'read' ? read(invocation, topic) : describe(invocation, topic);
    }
    throw new UsageError('expected list, describe <topic> or read <topic>');
  },
};

async function list({ values, terminal }: Invocation): Promise<number> {
  const client = await AdminClient.of(values, (path) => readFile(path, 'utf8'));
  const answer = (await client.request('GET', '/topics')) as { readonly topics: readonly Topic[] };
  if (values['json'] === true) terminal.out(`${JSON.stringify(answer.topics)}\n`);
  for (const { name, role, partitions, recordCount, lag, sizeBytes } of values['json'] === true ? [] : answer.topics) {
    terminal.out(
      `${name}  ${role}  partitions ${partitions.length}  records ${recordCount}  lag ${lag ?? '-'}  bytes ${sizeBytes}\n`,
    );
  }
  return EXIT_OK;
}

async function describe({ values, terminal }: Invocation, name: string): Promise<number> {
  const client = await AdminClient.of(values, (path) => readFile(path, 'utf8'));
  const topic = (await client.request('GET', pathOf(name))) as Topic;
  if (values['json'] === true) {
    terminal.out(`${JSON.stringify(topic)}\n`);
    return EXIT_OK;
  }
  terminal.out(`${topic.name}  ${topic.role}  records ${topic.recordCount}  bytes ${topic.sizeBytes}\n`);
  for (const { partition, beginOffset, endOffset, position, lag } of topic.partitions) {
    terminal.out(
      `  ${partition}  from ${beginOffset}  to ${endOffset}  read up to ${position ?? '-'}  lag ${lag ?? '-'}\n`,
    );
  }
  return EXIT_OK;
}

async function read({ values, terminal }: Invocation, name: string): Promise<number> {
  const max = integerOption(values, 'max', RECORDS_DEFAULT);
  const from = textOption(values, 'from', '');
  const first = from === '' ? -max : from === 'earliest' ? 0 : integerOption(values, 'from', 0, 0);
  const client = await AdminClient.of(values, (path) => readFile(path, 'utf8'));
  const topic = (await client.request('GET', pathOf(name))) as Topic;
  const asked = typeof values['partition'] === 'string' ? integerOption(values, 'partition', 0, 0) : null;
  if (asked !== null && asked >= topic.partitions.length) {
    throw new UsageError(`--partition: topic "${name}" has ${topic.partitions.length} partitions, from 0`);
  }
  for (const { partition, endOffset } of topic.partitions) {
    if (asked !== null && asked !== partition) continue;
    let offset = first < 0 ? Math.max(0, endOffset + first) : first;
    for (let left = max; left > 0;) {
      const query = `partition=${partition}&offset=${offset}&limit=${Math.min(left, PAGE_MAX)}`;
      const page = (await client.request('GET', `${pathOf(name)}/records?${query}`)) as {
        readonly records: readonly TopicRecord[];
      };
      for (const record of page.records) terminal.out(`${values['json'] === true ? lineOf(record) : textOf(record)}\n`);
      left -= page.records.length;
      offset = (page.records.at(-1)?.offset ?? offset) + 1;
      if (page.records.length === 0 || offset >= endOffset) break;
    }
  }
  return EXIT_OK;
}

function pathOf(topic: string): string {
  return `/topics/${encodeURIComponent(topic)}`;
}

function lineOf({ key, value, ...record }: TopicRecord): string {
  return JSON.stringify({ ...record, key: plain(key), value: plain(value) });
}

function textOf({ partition, offset, timestamp, key, value }: TopicRecord): string {
  const at = new Date(timestamp).toISOString();
  return `${partition}:${offset}  ${at}  ${JSON.stringify(plain(key))}  ${JSON.stringify(plain(value))}`;
}

/** What could be decoded as it is; other bytes in base64. */
function plain({ encoding, json, text, base64 }: Decoded): unknown {
  return { none: null, json, text, base64 }[encoding];
}
