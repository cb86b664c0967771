import type { ConnectionOptions } from 'node:tls';
import type { SASLOptions } from 'kafkajs';
import type { Logger } from '../../base/log.js';
import { brokerUnavailable, isConnectionFailure, isRetriable } from './kafka-errors.js';
import {
  type ApiName,
  apiKeys,
  createLogger,
  defaultSocketFactory,
  LEVELS,
  requests,
  WireBroker,
  WireConnectionError,
  WireConnectionPool,
  type WireRequest,
} from './kafkajs-wire.js';

/** How to reach a Kafka cluster. */
export interface KafkaClientOptions {
  /** `host:port`, of any of its brokers. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** `null` without TLS. */
  readonly tls: ConnectionOptions | null;
  /** `null` without SASL. */
  readonly sasl: SASLOptions | null;
  /** Milliseconds that a broker has to answer; then its connection is given up. */
  readonly requestTimeoutMs: number;
  readonly logger: Logger;
}

interface Metadata {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  readonly controllerId: number;
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
  }[];
}

const CONNECT_TIMEOUT_MS = 3000;
const RETRY_FIRST_MS = 20;
const RETRY_MOST_MS = 500;
const NO_LEADER = -1;
/** Kafka's numbers for the two kinds of coordinator. */
export const COORDINATOR = { group: 0, transaction: 1 } as const;

/**
 * Connections to the brokers of one cluster, with what is known of its topics.
 *
 * A part that may block a connection for long has one of its own: a broker answers the requests of a connection one after
 * another, so whoever waits for records, or for a group to settle, holds up whatever shares it.
 */
export class KafkaConnection {
  readonly options: KafkaClientOptions;
  readonly #brokers = new Map<number, WireBroker>();
  readonly #addresses = new Map<number, { host: string; port: number }>();
  /** Leaders by partition. */
  readonly #topics = new Map<string, readonly number[]>();
  readonly #coordinators = new Map<string, number>();
  #seed: WireBroker | null = null;
  #seedTurn = 0;
  #turn = 0;
  #refresh: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: KafkaClientOptions) {
    this.options = options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The broker that leads a partition, as far as known; `null` when there is none at the moment. */
  leaderOf(topic: string, partition: number): number | null {
    const leader = this.#topics.get(topic)?.[partition] ?? NO_LEADER;
    return leader === NO_LEADER ? null : leader;
  }

  /** As far as known; `null` for a topic that was not there when it was last looked for. */
  partitionCount(topic: string): number | null {
    return this.#topics.get(topic)?.length ?? null;
  }

  get topics(): readonly string[] {
    return [...this.#topics.keys()];
  }

  get brokerCount(): number {
    return this.#addresses.size;
  }

  /** Asks for a topic and whatever is known already. Calls at once share one answer when nothing new is asked for. */
  async refresh(topic: string | null = null): Promise<void> {
    if (topic !== null && !this.#topics.has(topic)) return this.#loadMetadata([topic]);
    this.#refresh ??= this.#loadMetadata(this.topics).finally(() => {
      this.#refresh = null;
    });
    return this.#refresh;
  }

  /** Learns every topic of the cluster. */
  async refreshAll(): Promise<void> {
    await this.#loadMetadata([]);
  }

  async controller(): Promise<number> {
    const { controllerId } = await this.#metadata(this.topics.slice(0, 1));
    return controllerId;
  }

  /** The broker that coordinates a group or a transactional id. */
  async coordinator(kind: keyof typeof COORDINATOR, key: string): Promise<number> {
    const name = `${kind}:${key}`;
    const known = this.#coordinators.get(name);
    if (known !== undefined) return known;
    const found = await this.#callAny<{ coordinator: { nodeId: number; host: string; port: number } }>(
      'GroupCoordinator',
      { coordinatorKey: key, groupId: key, coordinatorType: COORDINATOR[kind] },
    );
    const { nodeId, host, port } = found.coordinator;
    this.#learnAddress(nodeId, host, port);
    this.#coordinators.set(name, nodeId);
    return nodeId;
  }

  forgetCoordinator(kind: keyof typeof COORDINATOR, key: string): void {
    this.#coordinators.delete(`${kind}:${key}`);
  }

  /** A request to the coordinator, asked again while the cluster says that this will pass. */
  async callCoordinator<T>(
    kind: keyof typeof COORDINATOR,
    key: string,
    api: ApiName,
    options: object,
    retry: { readonly forMs: number; readonly afterSilence: boolean },
  ): Promise<T> {
    return this.retrying(
      async () => {
        try {
          return await this.call<T>(await this.coordinator(kind, key), api, options);
        } catch (error) {
          this.forgetCoordinator(kind, key);
          throw error;
        }
      },
      { forMs: retry.forMs, unless: (error) => !retry.afterSilence && isConnectionFailure(error) },
    );
  }

  /** One of kafkajs's requests, to one broker. */
  async call<T>(nodeId: number, api: ApiName, options: object, requestTimeoutMs?: number): Promise<T> {
    return this.#withBroker(nodeId, (broker) => this.#callBroker<T>(broker, api, options, requestTimeoutMs));
  }

  /** A request of our own making. */
  async send<T>(nodeId: number, request: WireRequest<T>): Promise<T> {
    return this.#withBroker(nodeId, (broker) => broker.connectionPool.send(request));
  }

  /** Does something again and again while its failure may pass. Backs off a little more each time. */
  async retrying<T>(
    attempt: () => Promise<T>,
    { forMs, unless = () => false }: { forMs: number; unless?: (error: unknown) => boolean },
  ): Promise<T> {
    const end = performance.now() + forMs;
    for (let delayMs = RETRY_FIRST_MS; ; delayMs = Math.min(delayMs * 2, RETRY_MOST_MS)) {
      try {
        return await attempt();
      } catch (error) {
        if (!isRetriable(error) || unless(error) || performance.now() > end || this.#isClosed) throw error;
        if (isConnectionFailure(error)) await this.refresh().catch(() => undefined);
      }
      await pause(delayMs);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const open = [...this.#brokers.values(), ...(this.#seed === null ? [] : [this.#seed])];
    this.#brokers.clear();
    this.#seed = null;
    await Promise.all(open.map((broker) => broker.disconnect().catch(() => undefined)));
  }

  async #loadMetadata(topics: readonly string[]): Promise<void> {
    const metadata = await this.#metadata(topics);
    for (const { nodeId, host, port } of metadata.brokers) this.#learnAddress(nodeId, host, port);
    for (const { topic, topicErrorCode, partitionMetadata } of metadata.topicMetadata) {
      // An election is no reason to forget a topic; that it does not exist is.
      if (topicErrorCode !== 0 && partitionMetadata.length === 0) {
        if (topicErrorCode === 3) this.#topics.delete(topic);
        continue;
      }
      const leaders = Array.from<number>({ length: partitionMetadata.length }).fill(NO_LEADER);
      for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
      this.#topics.set(topic, leaders);
    }
  }

  #metadata(topics: readonly string[]): Promise<Metadata> {
    return this.#callAny<Metadata>('Metadata', { topics, allowAutoTopicCreation: false });
  }

  /** The brokers, each time beginning with another one. */
  #inTurn(): readonly number[] {
    const nodes = [...this.#addresses.keys()];
    const first = this.#turn++ % Math.max(1, nodes.length);
    return [...nodes.slice(first), ...nodes.slice(0, first)];
  }

  /** To whichever broker answers: those known first, then those of the configuration. */
  async #callAny<T>(api: ApiName, options: object): Promise<T> {
    for (const nodeId of this.#inTurn()) {
      try {
        return await this.call<T>(nodeId, api, options);
      } catch (error) {
        if (!isConnectionFailure(error)) throw error;
      }
    }
    return this.#callSeed<T>(api, options);
  }

  async #callSeed<T>(api: ApiName, options: object): Promise<T> {
    const { brokers } = this.options;
    let failure: unknown = null;
    for (let tries = 0; tries < brokers.length; tries++) {
      const address = brokers[this.#seedTurn % brokers.length] ?? '';
      this.#seed ??= this.#openBroker(hostOf(address), portOf(address), null);
      const seed = this.#seed;
      try {
        await connect(seed);
        return await this.#callBroker<T>(seed, api, options);
      } catch (error) {
        if (!isConnectionFailure(error)) throw error;
        failure = error;
        this.#seed = null;
        this.#seedTurn++;
        void seed.disconnect().catch(() => undefined);
      }
    }
    throw failure;
  }

  async #callBroker<T>(broker: WireBroker, api: ApiName, options: object, requestTimeoutMs?: number): Promise<T> {
    const wire = broker.lookupRequest(apiKeys[api], requests[api])(options);
    const response = api === 'Metadata' ? { ...wire.response, parse: asItCame } : wire.response;
    return (await broker.connectionPool.send({
      ...wire,
      response,
      logResponseError: false,
      ...(requestTimeoutMs === undefined ? {} : { requestTimeout: requestTimeoutMs }),
    })) as T;
  }

  /** A connection that failed is never used again: kafkajs ends it late, and would end the one that took its place. */
  async #withBroker<T>(nodeId: number, use: (broker: WireBroker) => Promise<T>): Promise<T> {
    const broker = this.#brokerOf(nodeId);
    try {
      await connect(broker);
      return await use(broker);
    } catch (error) {
      if (isConnectionFailure(error) && this.#brokers.get(nodeId) === broker) {
        this.#brokers.delete(nodeId);
        void broker.disconnect().catch(() => undefined);
      }
      throw error;
    }
  }

  #brokerOf(nodeId: number): WireBroker {
    const known = this.#brokers.get(nodeId);
    if (known !== undefined) return known;
    const address = this.#addresses.get(nodeId);
    if (address === undefined || this.#isClosed) {
      throw brokerUnavailable(`reach broker ${String(nodeId)}`, this.options.brokers);
    }
    const broker = this.#openBroker(address.host, address.port, nodeId);
    this.#brokers.set(nodeId, broker);
    return broker;
  }

  #openBroker(host: string, port: number, nodeId: number | null): WireBroker {
    const { tls, sasl, clientId, requestTimeoutMs, logger } = this.options;
    const wireLogger = createLogger({
      level: LEVELS.DEBUG,
      // What a connection tells is for those who look for a fault: failures reach us as errors.
      logCreator:
        () =>
        ({ namespace, log: { message } }) =>
          logger.debug({ namespace }, message),
    });
    const connectionPool = new WireConnectionPool({
      host,
      port,
      ssl: tls,
      sasl,
      clientId,
      socketFactory: promptSockets,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      logger: wireLogger,
    });
    return new WireBroker({
      connectionPool,
      logger: wireLogger,
      nodeId,
      allowAutoTopicCreation: false,
      authenticationTimeout: requestTimeoutMs,
    });
  }

  #learnAddress(nodeId: number, host: string, port: number): void {
    const known = this.#addresses.get(nodeId);
    if (known?.host === host && known.port === port) return;
    this.#addresses.set(nodeId, { host, port });
    const moved = this.#brokers.get(nodeId);
    if (moved === undefined) return;
    this.#brokers.delete(nodeId);
    void moved.disconnect().catch(() => undefined);
  }
}

/** Nagle's algorithm would hold back a small request until the broker has acknowledged the one before it. */
const promptSockets: ReturnType<typeof defaultSocketFactory> = (options) => defaultSockets(options).setNoDelay(true);
const defaultSockets = defaultSocketFactory();

/**
 * Waits for one that is being opened by somebody else, too. kafkajs calls a broker connected once its socket is open, though it has
 * to ask for the versions of requests first; after a failure in between it would say so for as long as the socket stays open.
 */
async function connect(broker: WireBroker): Promise<void> {
  if (isReady(broker)) return;
  await broker.connect();
  if (!isReady(broker)) throw new WireConnectionError('the connection was not opened all the way');
}

function isReady(broker: WireBroker): boolean {
  return broker.versions !== null && broker.isConnected();
}

/** Errors of single topics are ours to look at. */
function asItCame(decoded: unknown): Promise<unknown> {
  return Promise.resolve(decoded);
}

/** `[::1]:9092` and `kafka-1:9092`. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
