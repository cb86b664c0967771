import { readFile } from 'node:fs/promises';
import { AdminClient, adminOptions } from './admin-client.js';
import { type Command, EXIT_OK, UsageError } from './command.js';

interface StateAnswer {
  readonly uid: string;
  readonly name: string;
  readonly key: string;
  readonly value: unknown;
}

/** Keyed state of a running job, as its operator would see it now. */
export const state: Command = {
  summary: 'Read what an operator of a running job holds of a key.',
  usage: 'get <uid> <state> <key> [--after <position>] [--url http://…]   (a key that is no text is written in JSON)',
  options: {
    ...adminOptions,
    after: {
      type: 'string',
      placeholder: 'position',
      description: 'The millrace-position of an answer: reads when the operator has seen that request.',
    },
  },
  async run({ values, positionals, terminal }) {
    const [action, uid, name, key, ...more] = positionals;
    if (action !== 'get' || uid === undefined || name === undefined || key === undefined || more.length > 0) {
      throw new UsageError('expected get, the uid of an operator, the name of its state, and a key');
    }
    const client = await AdminClient.of(values, (path) => readFile(path, 'utf8'));
    const place = [uid, name, key].map(encodeURIComponent).join('/');
    const after = typeof values['after'] === 'string' ? `?after=${encodeURIComponent(values['after'])}` : '';
    const path = `/jobs/${await client.jobId()}/state/${place}${after}`;
    const answer = (await client.request('GET', path)) as StateAnswer;
    terminal.out(`${JSON.stringify(values['json'] === true ? answer : answer.value)}\n`);
    return EXIT_OK;
  },
};
