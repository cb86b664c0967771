import { MillraceError } from '../base/errors.js';
import { type CommandOption, type OptionValues, textOption } from './command.js';

/** Options of every command that talks to a running process. */
export const adminOptions = {
  url: {
    type: 'string',
    placeholder: 'url',
    description: 'Address of the process. Default: http://127.0.0.1:8080.',
  },
  'token-file': {
    type: 'string',
    placeholder: 'path',
    description:
      'File with the bearer token of the admin API; never a flag, which other users of the machine could read.',
  },
  json: { type: 'boolean', description: 'Print the answer as JSON.' },
} as const satisfies Record<string, CommandOption>;

const DEFAULT_URL = 'http://127.0.0.1:8080';

/** The admin API of a running process, as the commands use it: JSON in, JSON out, and errors with the process's own words. */
export class AdminClient {
  readonly #base: string;
  readonly #token: string | null;

  constructor(options: { readonly url: string; readonly token: string | null }) {
    this.#base = options.url.replace(/\/+$/, '');
    this.#token = options.token;
  }

  static async of(values: OptionValues, readTextFile: (path: string) => Promise<string>): Promise<AdminClient> {
    const file = values['token-file'];
    const token = typeof file === 'string' ? (await readTextFile(file)).trim() : null;
    return new AdminClient({ url: textOption(values, 'url', DEFAULT_URL), token });
  }

  /**
   * @throws MillraceError `MILLRACE_NOT_READY` when nothing answers there, else the code of the process's problem document.
   */
  async request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#fetch(method, path, body);
    const text = await response.text();
    const value = parseJson(text);
    if (response.ok) return value;
    throw refusal(`${method} ${path}`, response.status, value);
  }

  /** The id of the one job that a process runs. */
  async jobId(): Promise<string> {
    const { jobs } = (await this.request('GET', '/jobs')) as { jobs: { id: string }[] };
    const [job] = jobs;
    if (job === undefined) throw new MillraceError('MILLRACE_NOT_READY', `the process at ${this.#base} runs no job`);
    return job.id;
  }

  async #fetch(method: string, path: string, body: unknown): Promise<Response> {
    try {
      return await fetch(this.#base + path, {
        method,
        headers: {
          ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new MillraceError('MILLRACE_NOT_READY', `nothing answers at ${this.#base}`, {
        hint: 'Start the process, or give its address with --url.',
        cause: (cause as Error).cause ?? cause,
      });
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function refusal(what: string, status: number, problem: unknown): MillraceError {
  const { code, detail, title, errors } = (typeof problem === 'object' && problem !== null ? problem : {}) as {
    code?: string;
    detail?: string;
    title?: string;
    errors?: readonly { readonly pointer: string; readonly message: string }[];
  };
  const faults = (errors ?? []).map(({ pointer, message }) => `${pointer} ${message}`.trim());
  const words = [detail ?? title ?? `status ${String(status)}`, ...faults].join(' ');
  return new MillraceError(
    status === 404 ? 'MILLRACE_REQUEST_NOT_FOUND' : 'MILLRACE_REQUEST_INVALID',
    `${what}: ${words}`,
    {
      details: { status, ...(code === undefined ? {} : { code }) },
    },
  );
}
