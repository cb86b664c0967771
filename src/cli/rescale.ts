import { readFile } from 'node:fs/promises';
import { AdminClient, adminOptions } from './admin-client.js';
import { type Command, EXIT_OK, UsageError } from './command.js';

/** Moves shards between workers while the job runs. */
export const rescale: Command = {
  summary: 'Change the number of workers of a running job, in place.',
  usage: '<parallelism> [--url http://…]',
  options: adminOptions,
  async run({ values, positionals, terminal }) {
    const parallelism = Number(positionals[0]);
    if (positionals.length !== 1 || !Number.isSafeInteger(parallelism) || parallelism < 1) {
      throw new UsageError('expected one whole number of at least 1: the new parallelism');
    }
    const client = await AdminClient.of(values, (path) => readFile(path, 'utf8'));
    const answer = await client.request('PATCH', `/jobs/${await client.jobId()}/parallelism`, { parallelism });
    terminal.out(
      values['json'] === true ? `${JSON.stringify(answer)}\n` : `the job runs at parallelism ${String(parallelism)}\n`,
    );
    return EXIT_OK;
  },
};
