import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../base/errors.js';
import { AdminClient, adminOptions } from './admin-client.js';
import { type Command, type CommandOption, EXIT_OK, type Invocation, UsageError } from './command.js';

/** How often a savepoint that is being taken is asked about. */
const POLL_MS = 100;

interface SavepointStatus {
  readonly status: { readonly id: 'IN_PROGRESS' | 'COMPLETED' };
  readonly operation?: { readonly location?: string; readonly 'failure-cause'?: { readonly 'stack-trace'?: string } };
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
  const job = await client.jobId();
  const body = place === undefined ? {} : { [how === 'stop' ? 'targetDirectory' : 'target-directory']: place };
  const answer = (await client.request('POST', `/jobs/${job}/${how}`, body)) as { 'request-id': string };
  terminal.err('taking a savepoint …\n');
  for (;;) {
    const path = `/jobs/${job}/savepoints/${answer['request-id']}`;
    const state = (await client.request('GET', path)) as SavepointStatus;
    if (state.status.id === 'COMPLETED') return report(state, values['json'] === true, terminal.out.bind(terminal));
    await delay(POLL_MS, undefined, { signal });
  }
}

function report({ operation }: SavepointStatus, isJson: boolean, out: (text: string) => void): number {
  const failure = operation?.['failure-cause'];
  if (failure !== undefined || operation?.location === undefined) {
    throw new MillraceError(
      'MILLRACE_CHECKPOINT_DECLINED',
      `the savepoint failed: ${failure?.['stack-trace'] ?? 'no cause given'}`,
    );
  }
  out(isJson ? `${JSON.stringify({ location: operation.location })}\n` : `${operation.location}\n`);
  return EXIT_OK;
}

async function dispose({ values, terminal }: Invocation, path: string | undefined): Promise<number> {
  if (path === undefined) throw new UsageError('expected the path of a savepoint');
  const client = await AdminClient.of(values, (file) => readFile(file, 'utf8'));
  await client.request('POST', '/savepoint-disposal', { 'savepoint-path': path });
  terminal.out(values['json'] === true ? `${JSON.stringify({ disposed: path })}\n` : `disposed of ${path}\n`);
  return EXIT_OK;
}
