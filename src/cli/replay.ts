import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { replay as replayRequests, type ReplayedRequest, type ReplayReport } from '../replay/replay.js';
import {
  type Command,
  EXIT_FAILED,
  EXIT_OK,
  type OptionValues,
  requireOption,
  textOption,
  UsageError,
} from './command.js';

type Answer = NonNullable<ReplayedRequest['replayed']>;

/** Runs one request, or all of a key, again, and holds the answers against those in the log. */
export const replay: Command = {
  summary: 'Run a request of the past again, from the log and the state before it, in one thread.',
  usage: '--job <path> (--request <id> | --key <key>) [--data-dir <path>] [--from-savepoint <path>] [--json]',
  options: {
    job: { type: 'string', placeholder: 'path', description: 'The job module, compiled: what run takes as --job.' },
    request: {
      type: 'string',
      placeholder: 'id',
      description: 'The request: what its answer carried as x-request-id.',
    },
    key: { type: 'string', placeholder: 'key', description: 'All requests that the log holds with this key.' },
    'data-dir': {
      type: 'string',
      placeholder: 'path',
      description: 'The data folder that the job ran on, or a copy of it. Nothing is written to it. Default: ./data.',
    },
    'from-savepoint': {
      type: 'string',
      placeholder: 'path',
      description: 'Begin with this savepoint, not with the newest checkpoint of the folder before the request.',
    },
    'allow-non-restored-state': {
      type: 'boolean',
      description: 'Leave state behind that no operator of the job claims.',
    },
    json: { type: 'boolean', description: 'Print the report as JSON.' },
  },
  async run({ values, positionals, terminal, environment }) {
    if (positionals.length > 0) throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`);
    const wanted = wantedOf(values);
    const jobModule = pathToFileURL(resolve(requireOption(values, 'job'))).href;
    const fromSavepoint = textOption(values, 'from-savepoint', '');
    const workDir = await mkdtemp(join(tmpdir(), 'millrace-replay-'));
    try {
      const report = await replayRequests({
        dataDir: resolve(textOption(values, 'data-dir', 'data')),
        jobModule,
        wanted,
        fromSavepoint: fromSavepoint === '' ? null : fromSavepoint,
        allowNonRestoredState: values['allow-non-restored-state'] === true,
        workDir,
        environment,
        onPrinted: (text) => terminal.err(text),
        onProgress: (count) => terminal.err(`${count.toLocaleString('en')} records\n`),
      });
      terminal.out(values['json'] === true ? `${JSON.stringify(asJson(report), null, 2)}\n` : reportText(report));
      return report.requests.every(({ verdict }) => verdict === 'same' || verdict === 'unrecorded')
        ? EXIT_OK
        : EXIT_FAILED;
    } finally {
      await rm(workDir, { recursive: true, force: true });
    }
  },
};

function wantedOf({ request, key }: OptionValues): { readonly id: string } | { readonly key: string } {
  if (typeof request === 'string' && key === undefined) return { id: request };
  if (typeof key === 'string' && request === undefined) return { key };
  throw new UsageError('either --request or --key is needed');
}

function asJson({ requests, ...rest }: ReplayReport): object {
  return {
    ...rest,
    requests: requests.map(({ request, verdict, replayed, recorded }) => ({
      ...request,
      verdict,
      replayed: replayed && { ...replayed, body: replayed.body.toString('utf8') },
      recorded: recorded && { ...recorded, body: recorded.body.toString('utf8') },
    })),
  };
}

function reportText({ job, checkpointId, recordCount, requests }: ReplayReport): string {
  const start = checkpointId === null ? 'from the beginning' : `from checkpoint ${String(checkpointId)}`;
  const lines = [`${recordCount.toLocaleString('en')} records of job '${job}' run again, ${start}`, ''];
  for (const { request, verdict, replayed, recorded } of requests) {
    const { id, line, topic, partition, offset } = request;
    lines.push(`${verdict.padEnd(10)} ${line}  ${id}  ${topic}-${String(partition)}@${String(offset)}`);
    if (verdict !== 'same') lines.push(`  recorded  ${answerText(recorded)}`);
    lines.push(`  replayed  ${answerText(replayed)}`);
  }
  return `${lines.join('\n')}\n`;
}

function answerText(answer: Answer | null): string {
  return answer === null ? 'no answer' : `${String(answer.status)} ${answer.body.toString('utf8')}`;
}
