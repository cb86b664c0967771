/**
 * The one door into the inside of kafkajs 2.2.4: connections with authentication and negotiated versions, and the requests of
 * Kafka's protocol. Nothing else imports it. Why the inside: docs/decisions/0120-kafkajs-below-its-clients.md.
 */
import type { ConnectionOptions } from 'node:tls';
import type { ISocketFactory, logCreator, SASLOptions } from 'kafkajs';
import brokerModule from 'kafkajs/src/broker/index.js';
import assignerModule from 'kafkajs/src/consumer/assignerProtocol.js';
import errorsModule from 'kafkajs/src/errors.js';
import loggersModule from 'kafkajs/src/loggers/index.js';
import connectionPoolModule from 'kafkajs/src/network/connectionPool.js';
import socketFactoryModule from 'kafkajs/src/network/socketFactory.js';
import encoderModule from 'kafkajs/src/protocol/encoder.js';
import errorModule from 'kafkajs/src/protocol/error.js';
import apiKeysModule from 'kafkajs/src/protocol/requests/apiKeys.js';
import requestsModule from 'kafkajs/src/protocol/requests/index.js';

/** A request and how its answer is read. */
export interface WireRequest<T> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<unknown>;
  };
  readonly response: {
    decode(bytes: Buffer): Promise<unknown>;
    /** Gives the answer, or throws the error that it holds. */
    parse(decoded: unknown): Promise<T>;
  };
  readonly requestTimeout?: number;
  readonly logResponseError?: boolean;
}

export type ApiName =
  | 'ListOffsets'
  | 'Metadata'
  | 'OffsetCommit'
  | 'OffsetFetch'
  | 'GroupCoordinator'
  | 'JoinGroup'
  | 'Heartbeat'
  | 'LeaveGroup'
  | 'SyncGroup'
  | 'CreateTopics'
  | 'InitProducerId'
  | 'AddPartitionsToTxn'
  | 'AddOffsetsToTxn'
  | 'EndTxn'
  | 'TxnOffsetCommit'
  | 'DescribeConfigs';

interface WireLogger {
  namespace(name: string): WireLogger;
}

export interface WireConnectionPool {
  send<T>(request: WireRequest<T>): Promise<T>;
}

/** Connections to one broker: one for fetches, one for everything else. */
export interface WireBroker {
  readonly connectionPool: WireConnectionPool;
  /** What the broker knows of each request; `null` until it has been asked. */
  readonly versions: object | null;
  /** By the versions that both sides know; throws before they are known. */
  readonly lookupRequest: (apiKey: number, request: unknown) => (options: object) => WireRequest<unknown>;
  isConnected(): boolean;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

interface WireProtocolError extends Error {
  readonly type: string;
  readonly code: number;
}

export const WireBroker = brokerModule as new (options: {
  readonly connectionPool: WireConnectionPool;
  readonly logger: WireLogger;
  readonly nodeId: number | null;
  readonly allowAutoTopicCreation: boolean;
  readonly authenticationTimeout: number;
}) => WireBroker;

export const WireConnectionPool = connectionPoolModule as new (options: {
  readonly host: string;
  readonly port: number;
  readonly ssl: ConnectionOptions | null;
  readonly sasl: SASLOptions | null;
  readonly clientId: string;
  readonly socketFactory: ISocketFactory;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly logger: WireLogger;
}) => WireConnectionPool;

/** What a payload has to be. */
export const WireEncoder = encoderModule as new (initialSize: number) => { writeBuffer(bytes: Buffer): unknown };

export const { createLogger, LEVELS } = loggersModule as {
  readonly createLogger: (options: { readonly level: number; readonly logCreator: logCreator }) => WireLogger;
  readonly LEVELS: { readonly DEBUG: number };
};

export const defaultSocketFactory = socketFactoryModule as () => ISocketFactory;

/** A connection failed, or was never whole. */
export const { KafkaJSConnectionError: WireConnectionError } = errorsModule as {
  readonly KafkaJSConnectionError: new (message: string) => Error;
};

export const { createErrorFromCode } = errorModule as {
  readonly createErrorFromCode: (code: number) => WireProtocolError;
};

export const apiKeys = apiKeysModule as Readonly<Record<ApiName, number>>;

export const { requests } = requestsModule as { readonly requests: Readonly<Record<ApiName, unknown>> };

/** What members of a group tell each other, in the form of Kafka's own consumers. */
export const { MemberMetadata, MemberAssignment } = assignerModule as {
  readonly MemberMetadata: {
    encode(metadata: { version: number; topics: readonly string[]; userData: Buffer }): Buffer;
    decode(bytes: Buffer): { version: number; topics: string[]; userData: Buffer };
  };
  readonly MemberAssignment: {
    encode(assignment: {
      version: number;
      assignment: Readonly<Record<string, readonly number[]>>;
      userData: Buffer;
    }): Buffer;
    decode(bytes: Buffer): { assignment: Record<string, number[]>; userData: Buffer } | null;
  };
};
