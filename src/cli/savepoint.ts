import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../base/errors.js';
import { AdminClient, adminOptions } from './admin-client.js';
import { type Command, type CommandOption, EXIT_OK, type Invocation, UsageError } from './command.js';

/** How often an operation that is under way is asked about. */
const POLL_MS = 100;

interface OperationBegun {
  readonly 'request-id': string;
}

interface OperationProgress {
  readonly status: { readonly id: 'IN_PROGRESS' | 'COMPLETED' };
  readonly operation?: OperationOutcome;
}

interface OperationOutcome {
  readonly location?: string;
  readonly 'failure-cause'?: { readonly 'stack-trace'?: string };
}

const checkOptions = {
  job: { type: 'string', placeholder: 'path', description: 'Of check: the job module to try on the savepoint.' },
  'allow-non-restored-state': {
    type: 'boolean',
    description: 'Of check: state of operators that the job no longer has is no failure.',
  },
} as const satisfies Record<string, CommandOption>;

/** Savepoints: of a running job over the admin API, and of a new release before it runs. */
export const savepoint: Command = {
  summary: 'Take or dispose of a savepoint of a running job, or try a new job on one.',
  usage: 'take [<directory>] | stop [<directory>] | dispose <path> | check <path> --job <module>   [--url http://…]',
  options: { ...adminOptions, ...checkOptions },
  async run(invocation) {
    const [action, place, ...more] = invocation.positionals;
    if (more.length > 0) throw new UsageError('too many arguments');
    switch (action) {
      case 'take':
        return take(invocation, 'savepoints', place);
      case 'stop':
        return take(invocation, 'stop', place);
      case 'dispose':
        return dispose(invocation, place);
      case 'check':
        // Only now: it brings the state's libraries with it.
        return (await import('./savepoint-check.js')).check(invocation, place);
      default:
        throw new UsageError('expected take, stop, dispose or check');
    }
  },
};

async function take(
  { values, terminal, signal }: Invocation,
  how: 'savepoints' | 'stop',
  place?: string,
): Promise<number> {
  const client = await AdminClient.of(values, (path) => readFile(path, 'utf8'));
  const job = `/jobs/${await client.jobId()}`;
  const body = place === undefined ? {} : { [how === 'stop' ? 'targetDirectory' : 'target-directory']: place };
  const begun = (await client.request('POST', `${job}/${how}`, body)) as OperationBegun;
  terminal.err('taking a savepoint …\n');
  const outcome = await endOf(client, `${job}/savepoints/${begun['request-id']}`, signal);
  if (outcome.location === undefined) {
    throw new MillraceError('MILLRACE_CHECKPOINT_DECLINED', `the savepoint failed: ${causeOf(outcome)}`);
  }
  const { location } = outcome;
  terminal.out(values['json'] === true ? `${JSON.stringify({ location })}\n` : `${location}\n`);
  return EXIT_OK;
}

async function dispose({ values, terminal, signal }: Invocation, path: string | undefined): Promise<number> {
  if (path === undefined) throw new UsageError('expected the path of a savepoint');
  const client = await AdminClient.of(values, (file) => readFile(file, 'utf8'));
  const begun = (await client.request('POST', '/savepoint-disposal', { 'savepoint-path': path })) as OperationBegun;
  const outcome = await endOf(client, `/savepoint-disposal/${begun['request-id']}`, signal);
  if (outcome['failure-cause'] !== undefined) {
    throw new MillraceError('MILLRACE_REQUEST_INVALID', `the savepoint is not removed: ${causeOf(outcome)}`);
  }
  terminal.out(values['json'] === true ? `${JSON.stringify({ disposed: path })}\n` : `disposed of ${path}\n`);
  return EXIT_OK;
}

/** Waits until an operation has ended. @returns what came of it */
async function endOf(client: AdminClient, path: string, signal: AbortSignal): Promise<OperationOutcome> {
  for (;;) {
    const { status, operation = {} } = (await client.request('GET', path)) as OperationProgress;
    if (status.id === 'COMPLETED') return operation;
    await delay(POLL_MS, undefined, { signal });
  }
}

function causeOf(outcome: OperationOutcome): string {
  return outcome['failure-cause']?.['stack-trace'] ?? 'no cause given';
}
