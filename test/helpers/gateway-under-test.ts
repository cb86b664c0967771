import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { systemClock, systemMonotonicClock } from '../../src/base/clock.js';
import type { Logger } from '../../src/base/log.js';
import { defaultGatewayConfig } from '../../src/http/gateway-config.js';
import type { GatewayConfig } from '../../src/http/gateway-config.js';
import { Gateway } from '../../src/http/gateway.js';
import type { GatewayOptions } from '../../src/http/gateway.js';
import type { RequestRoute } from '../../src/main/job-control.js';
import { PROMETHEUS_CONTENT_TYPE, PrometheusRegistry } from '../../src/metrics/prometheus.js';
import { LoopbackJob, requestRoute } from './loopback-job.js';

/** A line that the gateway logged. */
export interface LogLine {
  readonly level: keyof Logger;
  readonly fields: object;
  readonly text: string;
}

/** A gateway on a free port of the loopback interface, over a job that answers what it is asked. */
export class GatewayUnderTest {
  readonly job: LoopbackJob;
  readonly gateway: Gateway;
  readonly url: string;
  readonly log: readonly LogLine[];

  /** Built, but not listening. */
  static async build(
    config: Partial<GatewayConfig> = {},
    routes: readonly RequestRoute[] = [requestRoute('POST /echo')],
    door: Partial<Pick<GatewayOptions, 'plugin' | 'tls'>> = {},
  ): Promise<{ job: LoopbackJob; gateway: Gateway; log: LogLine[] }> {
    const job = new LoopbackJob(routes);
    const log: LogLine[] = [];
    const registry = new PrometheusRegistry();
    const gateway = await Gateway.build({
      control: job,
      admin: null,
      savepoints: null,
      tracing: { sample: 0, begin: () => null },
      config: { ...defaultGatewayConfig, port: 0, ...config },
      logger: recordingLogger(log),
      metrics: { contentType: PROMETHEUS_CONTENT_TYPE, render: () => registry.render() },
      plugin: door.plugin ?? null,
      tls: door.tls ?? null,
      clock: systemClock,
      monotonic: systemMonotonicClock,
      version: '1.2.3',
    });
    registry.register(() => gateway.metricFamilies());
    return { job, gateway, log };
  }

  static async start(
    config: Partial<GatewayConfig> = {},
    routes?: readonly RequestRoute[],
    door?: Partial<Pick<GatewayOptions, 'plugin' | 'tls'>>,
  ): Promise<GatewayUnderTest> {
    const { job, gateway, log } = await GatewayUnderTest.build(config, routes, door);
    return new GatewayUnderTest(job, gateway, await gateway.listen(), log);
  }

  private constructor(job: LoopbackJob, gateway: Gateway, url: string, log: readonly LogLine[]) {
    this.job = job;
    this.gateway = gateway;
    this.url = url;
    this.log = log;
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.url + path, init);
  }

  /** Posts JSON; a string goes as it is. */
  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  /** A connection on which a test says every byte itself. */
  connect(): Wire {
    const { hostname, port } = new URL(this.url);
    return new Wire(connect(Number(port), hostname));
  }

  async metric(line: string): Promise<number> {
    const text = await (await this.fetch('/metrics')).text();
    const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `));
    return found === undefined ? 0 : Number(found.slice(line.length + 1));
  }

  stop(): Promise<void> {
    return this.gateway.close();
  }
}

/** One raw connection, and all that came over it. */
export class Wire {
  readonly #socket: Socket;
  #received = '';
  #isClosed = false;
  #onChange: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#received += text;
      this.#onChange();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isClosed = true;
      this.#onChange();
    });
  }

  get received(): string {
    return this.#received;
  }

  send(text: string): this {
    this.#socket.write(text, 'latin1');
    return this;
  }

  /** Reads nothing any more, so that what is sent to it backs up. */
  deafen(): void {
    this.#socket.pause();
  }

  hangUp(): void {
    this.#socket.destroy();
  }

  /** Resolves with everything received, when it matches. */
  until(pattern: RegExp): Promise<string> {
    return this.#wait(() => pattern.test(this.#received), String(pattern));
  }

  /** Resolves with everything received, when the other side has closed. */
  untilClosed(): Promise<string> {
    return this.#wait(() => this.#isClosed, 'the end of the connection');
  }

  #wait(isDone: () => boolean, what: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`no ${what} in: ${this.#received}`)), 60_000);
      this.#onChange = () => {
        if (!isDone()) return;
        clearTimeout(limit);
        resolve(this.#received);
      };
      this.#onChange();
    });
  }
}

function recordingLogger(lines: LogLine[]): Logger {
  const record =
    (level: keyof Logger) =>
    (fields: object, text: string): void => {
      lines.push({ level, fields, text });
    };
  return { error: record('error'), warn: record('warn'), info: record('info'), debug: record('debug') };
}
