// The process under test: started again whenever it has ended, whoever ended it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';

const START_MS = 60_000;
const CALL_MS = 20_000;

export class Service {
  /** How often it ended without being killed. */
  ownEnds = 0;
  #options;
  #child = null;
  #url = null;
  #output = '';
  #isStopping = false;
  #agent = new Agent({ keepAlive: true });
  #ready = Promise.resolve();

  constructor(options) {
    this.#options = options;
  }

  /** Resolves when it serves. */
  start() {
    this.#ready = this.#launch();
    return this.#ready;
  }

  /** Resolves when it serves, after however many restarts. */
  ready() {
    return this.#ready;
  }

  get output() {
    return this.#output;
  }

  signal(name) {
    this.#child?.kill(name);
  }

  /** Ends it with SIGKILL; it is started again. Resolves when it serves. */
  async kill() {
    const child = this.#child;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await this.#ready;
  }

  /** Ends it in order. @returns its exit code */
  async stop() {
    this.#isStopping = true;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const [code] = await ended;
    this.#agent.destroy();
    return code;
  }

  /** One HTTP request. Rejects when there is no answer. */
  call({ method, path, body, headers = {} }) {
    return new Promise((resolve, reject) => {
      if (this.#url === null) return reject(new Error('the service is down'));
      const bytes = body === undefined ? null : Buffer.from(JSON.stringify(body));
      const type = bytes === null ? {} : { 'content-type': 'application/json', 'content-length': bytes.length };
      const options = { method, agent: this.#agent, timeout: CALL_MS, headers: { ...headers, ...type } };
      const sent = request(new URL(path, this.#url), options, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode, json: text === '' ? null : JSON.parse(text) });
        });
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
      sent.on('error', reject);
      sent.end(bytes);
    });
  }

  async #launch() {
    const { program, args, env } = this.#options;
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child = child;
    const listens = new Promise((resolve, reject) => {
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        const url = /^listens\s+(\S+)$/m.exec(text)?.[1];
        if (url !== undefined) resolve(url);
      });
      child.once('exit', (code, signal) =>
        reject(new Error(`the service ended (${String(code ?? signal)}) before it served`)),
      );
      setTimeout(() => reject(new Error('the service does not come up')), START_MS).unref();
    });
    child.stderr.setEncoding('utf8').on('data', (chunk) => (this.#output = (this.#output + chunk).slice(-20_000)));
    child.once('exit', (_code, signal) => this.#onExit(signal));
    this.#url = await listens;
  }

  #onExit(signal) {
    this.#url = null;
    if (this.#isStopping) return;
    if (signal !== 'SIGKILL') this.ownEnds += 1;
    // A start that fails is tried again: the disk may still be full.
    const again = async () => {
      try {
        await this.#launch();
      } catch (error) {
        if (error.message.includes('come up')) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
        await this.#ready;
      }
    };
    this.#ready = again();
    this.#ready.catch(() => undefined);
  }
}
