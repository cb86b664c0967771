/**
 * Every setting of the gateway. All times are milliseconds, all sizes bytes. Each bounds something; what a client gets when
 * the bound is reached is said with it.
 */
export interface GatewayConfig {
  /** Address to listen on. @defaultValue '127.0.0.1' */
  readonly host: string;
  /** 0 takes a free port. @defaultValue 8080 */
  readonly port: number;

  /** Most requests that wait for their reply; further ones wait for a place. @defaultValue 10_000 */
  readonly pendingMax: number;
  /** Most bytes of requests that wait for their reply. At least `bodyLimitBytes`. @defaultValue 64 MiB */
  readonly pendingMaxBytes: number;
  /** Longest wait for a place; then 503. @defaultValue 1_000 */
  readonly pendingWaitMs: number;
  /** Most requests that wait for a place; further ones get 503 at once. @defaultValue 10_000 */
  readonly waitersMax: number;
  /** Most bytes of requests that wait for a place. @defaultValue 16 MiB */
  readonly waitersMaxBytes: number;
  /** What a client is told to wait before it tries again after a 503, in seconds. @defaultValue 1 */
  readonly retryAfterSeconds: number;

  /** Time a request may take when neither its route nor its client says otherwise; then 504. @defaultValue 30_000 */
  readonly requestTimeoutMs: number;
  /** Longest time that a client may ask for. More is cut to this. @defaultValue 300_000 */
  readonly requestTimeoutMaxMs: number;

  /** Largest body; then 413. A route may set its own. @defaultValue 1 MiB */
  readonly bodyLimitBytes: number;
  /** Most bytes of bodies that are being received at one time, over all connections; then 503. @defaultValue 64 MiB */
  readonly receivingMaxBytes: number;
  /** Most bytes of a request's line and headers; then 431. @defaultValue 16 KiB */
  readonly maxHeaderBytes: number;
  /** Most headers of a request to a route of the job; then 431. @defaultValue 100 */
  readonly maxHeaderCount: number;

  /** Time for a client to send its headers; then 408. @defaultValue 10_000 */
  readonly headersTimeoutMs: number;
  /** Time for a client to send a whole request; then 408. @defaultValue 30_000 */
  readonly receiveTimeoutMs: number;
  /** Time for a client to take an answer that is being sent; then its connection is cut. @defaultValue 60_000 */
  readonly sendTimeoutMs: number;
  /** An idle connection is kept this long. @defaultValue 72_000 */
  readonly keepAliveTimeoutMs: number;
  /** Most open connections; further ones are closed at once. @defaultValue 10_000 */
  readonly connectionsMax: number;

  /** How long a request with an `Idempotency-Key` is remembered, with its answer. @defaultValue 86_400_000 */
  readonly idempotencyTtlMs: number;
  /** What becomes of a repetition while the first request runs: 409, or the same answer when it comes. @defaultValue 'conflict' */
  readonly idempotencyWhileRunning: 'conflict' | 'wait';

  /** How long the result of an asynchronous or late request can be fetched. @defaultValue 600_000 */
  readonly resultTtlMs: number;
  /** Most results kept, those of running requests included. @defaultValue 10_000 */
  readonly resultsMax: number;
  /** Most bytes of results kept. @defaultValue 64 MiB */
  readonly resultsMaxBytes: number;

  /** What callers of the admin API from other machines must show; `null` keeps it to this machine. @defaultValue null */
  readonly adminToken: string | null;

  /** See {@link FrontDoorConfig}. @defaultValue null: everybody */
  readonly dataToken: string | null;
  /** @defaultValue none */
  readonly corsOrigins: readonly string[];
  /** @defaultValue Infinity */
  readonly rateLimitMax: number;
  /** @defaultValue 1 s */
  readonly rateLimitWindowMs: number;
  /** Requests of one key to one route per window; then 429. @defaultValue Infinity */
  readonly rateLimitKeyMax: number;

  /** Serve `/docs`, the page that renders the OpenAPI document. @defaultValue true */
  readonly docsPage: boolean;
  /** Log each request at level debug. @defaultValue false */
  readonly logRequests: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const defaultGatewayConfig: GatewayConfig = {
  host: '127.0.0.1',
  port: 8080,
  pendingMax: 10_000,
  pendingMaxBytes: 64 * MIB,
  pendingWaitMs: 1_000,
  waitersMax: 10_000,
  waitersMaxBytes: 16 * MIB,
  retryAfterSeconds: 1,
  requestTimeoutMs: 30_000,
  requestTimeoutMaxMs: 300_000,
  bodyLimitBytes: MIB,
  receivingMaxBytes: 64 * MIB,
  maxHeaderBytes: 16 * KIB,
  maxHeaderCount: 100,
  headersTimeoutMs: 10_000,
  receiveTimeoutMs: 30_000,
  sendTimeoutMs: 60_000,
  // Longer than the 60 s after which common load balancers drop an idle connection: the side that closes first must be
  // the one that does not send requests.
  keepAliveTimeoutMs: 72_000,
  connectionsMax: 10_000,
  idempotencyTtlMs: 86_400_000,
  idempotencyWhileRunning: 'conflict',
  resultTtlMs: 600_000,
  resultsMax: 10_000,
  resultsMaxBytes: 64 * MIB,
  adminToken: null,
  dataToken: null,
  corsOrigins: [],
  rateLimitMax: Infinity,
  rateLimitWindowMs: 1_000,
  rateLimitKeyMax: Infinity,
  docsPage: true,
  logRequests: false,
};
