import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { Clock, MonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { JobAdmin } from '../main/job-admin.js';
import type { JobControl, Readiness, Reply, RequestRoute, RequestTracing } from '../main/job-control.js';
import type { SavepointControl } from '../main/savepoint-control.js';
import type { MetricFamily } from '../metrics/prometheus.js';
import { AdminGuard } from './admin/admin-guard.js';
import { addAdminRoutes } from './admin/admin-routes.js';
import { AllowedMethods } from './allowed-methods.js';
import { AsyncResults } from './async-results.js';
import { ReceiveBudget } from './body-reader.js';
import { Connection } from './connection-tracker.js';
import { CorrelationIds } from './correlation-ids.js';
import { DirectMessage } from './direct-message.js';
import { DirectRoutes } from './direct-routes.js';
import { isServerFault, problemOfError, problemOfParserError } from './error-mapper.js';
import { addFrontDoor, hasFrontDoor } from './front-door.js';
import type { GatewayConfig } from './gateway-config.js';
import { REQUEST_OVERHEAD_BYTES } from './http-exchange.js';
import { HttpMetrics } from './http-metrics.js';
import type { RouteMetrics } from './http-metrics.js';
import type { DocumentationOptions, DocumentedRoute } from './openapi-document.js';
import { PendingRequests } from './pending-requests.js';
import { problemResponse, problemStatus } from './problem.js';
import type { Problem } from './problem.js';
import { RequestsView } from './requests-view.js';
import { addHealthRoutes } from './routes/health.js';
import { addIngestRoute, checkBodyLimit, type IngestContext } from './routes/ingest.js';
import { addJobRoutes } from './routes/jobs.js';
import { addSavepointRoutes } from './routes/savepoints.js';
import { addMetricsRoute } from './routes/metrics.js';
import type { MetricsText } from './routes/metrics.js';
import { addOpenApiRoutes } from './routes/openapi.js';
import { addRequestsRoute } from './routes/requests.js';
import { addUiRoutes } from './routes/ui.js';
import { SchemaCompiler } from './schema-check.js';
import { sendProblem } from './send-problem.js';
import { SlowReaders } from './slow-readers.js';
import { SystemAlarm, TimerWheel } from './timer-wheel.js';

/**
 * The HTTP side of the process: turns requests into envelopes for the job, and replies into answers.
 *
 * Every bound is in the configuration, every request ends exactly once, and nothing here knows a worker or a topic.
 *
 * Thread: main. Order of life: `build`, `listen`, serve, `drain`, `close`.
 */

export interface GatewayOptions {
  readonly control: JobControl;
  /** What the admin API shows and does; `null` leaves it out but for the job and its graph. */
  readonly admin: JobAdmin | null;
  /** `null` leaves their routes out. */
  readonly savepoints: SavepointControl | null;
  readonly tracing: RequestTracing;
  readonly config: GatewayConfig;
  readonly logger: Logger;
  readonly metrics: MetricsText;
  /** The author's own fastify plugin: its hooks see every request first. `null`: none. */
  readonly plugin: GatewayPlugin | null;
  /** Certificate and key in PEM form; `null`: plain HTTP. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
  readonly clock: Clock;
  readonly monotonic: MonotonicClock;
  /** For the OpenAPI document: the product's version. */
  readonly version: string;
}

/** A fastify plugin: `(app) => { app.addHook('onRequest', …) }`. */
export type GatewayPlugin = (app: FastifyInstance) => void | Promise<void>;

/** How often the runtime looks for connections that are too slow. */
const SLOW_CHECK_MS_MAX = 5_000;
/** How long the last answers may take to leave before their connections are cut. */
const FLUSH_MS = 1_000;
/** How often connections are looked through meanwhile. */
const SWEEP_MS = 5;

export class Gateway {
  readonly #app: FastifyInstance;
  readonly #options: GatewayOptions;
  readonly #context: IngestContext;
  readonly #wheel: TimerWheel;
  readonly #allowed = new AllowedMethods();
  readonly #ownRoutes: DocumentedRoute[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #slowReaders = new SlowReaders();
  readonly #ids = new CorrelationIds();
  /** `null` when somebody wants to see each request first. */
  readonly #direct: DirectRoutes | null;
  #slowReaderSweep: NodeJS.Timeout | null = null;
  #draining: Promise<number> | null = null;
  #closing: Promise<void> | null = null;

  /**
   * Builds the server and its routes, and takes the job's replies from now on. Does not listen yet.
   *
   * @throws MillraceError `MILLRACE_JOB_INVALID`: a route's schema or path is not valid, or a path is the gateway's own.
   */
  static async build(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options);
    await gateway.#addRoutes();
    await gateway.#app.ready();
    gateway.#direct?.standBefore(gateway.#app.server);
    options.control.onReply((reply) => gateway.#receive(reply));
    return gateway;
  }

  private constructor(options: GatewayOptions) {
    const { config, control, logger, clock, monotonic } = options;
    this.#options = options;
    this.#wheel = new TimerWheel({ clock: monotonic, alarm: new SystemAlarm() });
    const wheel = this.#wheel;
    this.#context = {
      config,
      control,
      logger,
      clock,
      monotonic,
      pending: new PendingRequests({
        clock: monotonic,
        wheel,
        countMax: config.pendingMax,
        // The largest body fits exactly.
        bytesMax: config.pendingMaxBytes + REQUEST_OVERHEAD_BYTES,
        waitMs: config.pendingWaitMs,
        waitersMax: config.waitersMax,
        waitersBytesMax: config.waitersMaxBytes,
      }),
      results: new AsyncResults({
        clock: monotonic,
        wheel,
        countMax: config.resultsMax,
        bytesMax: config.resultsMaxBytes,
        ttlMs: config.resultTtlMs,
      }),
      tracing: options.tracing,
      guard: new AdminGuard(config.adminToken),
      budget: new ReceiveBudget(config.receivingMaxBytes),
      metrics: new HttpMetrics(),
      retryAfterSeconds: config.retryAfterSeconds,
      isDraining: false,
      ids: this.#ids,
    };
    const isWatched = options.plugin !== null || config.logRequests || hasFrontDoor(config);
    this.#direct = isWatched ? null : new DirectRoutes({ maxParamLength: config.maxHeaderBytes });
    this.#app = this.#buildServer(config);
  }

  /**
   * Starts to accept connections.
   *
   * @returns the address, as `http://127.0.0.1:8080`.
   * @throws MillraceError `MILLRACE_ADDRESS_IN_USE`
   */
  async listen(): Promise<string> {
    const { host, port } = this.#options.config;
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      throw new MillraceError('MILLRACE_ADDRESS_IN_USE', `listening on ${host}:${port}`, {
        cause: error,
        details: { host, port },
        hint: 'Stop the process that listens there, or choose another port.',
      });
    }
    const sweep = (): void => {
      this.#context.metrics.slowReaders += this.#slowReaders.cut(this.#sockets);
    };
    this.#slowReaderSweep = setInterval(sweep, this.#options.config.sendTimeoutMs).unref();
    const { address, port: boundPort, family } = this.#app.server.address() as AddressInfo;
    const scheme = this.#options.tls === null ? 'http' : 'https';
    return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${boundPort}`;
  }

  /** What the gateway counts; register it with the metrics of the process. */
  metricFamilies(): MetricFamily[] {
    const { metrics, pending, results, budget } = this.#context;
    return metrics.families({
      pendingCount: pending.count,
      pendingBytes: pending.bytes,
      waiterCount: pending.waiterCount,
      resultCount: results.count,
      resultBytes: results.bytes,
      receivingBytes: budget.usedBytes,
      connectionCount: this.#sockets.size,
    });
  }

  /**
   * Turns new requests away and waits for the pending ones; what is still pending after the limit gets 503. `/readyz` says
   * not ready meanwhile, so that a load balancer stops sending. Then closes. May be called twice.
   *
   * @returns how many requests were cut off.
   */
  drain(deadlineMs: number): Promise<number> {
    this.#draining ??= this.#drain(deadlineMs);
    return this.#draining;
  }

  async #drain(deadlineMs: number): Promise<number> {
    const { pending } = this.#context;
    this.#context.isDraining = true;
    pending.endWaiters('shut-down');
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, deadlineMs);
      pending.whenIdle(() => {
        clearTimeout(limit);
        resolve();
      });
    });
    const cutOffCount = pending.endAll('shut-down');
    await this.close();
    return cutOffCount;
  }

  /** Closes at once: pending requests get 503, connections are closed when their last answer is written. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#context.isDraining = true;
    this.#context.pending.endAll('shut-down');
    // First what is being sent: the runtime's own close cuts an answer that was written but not yet taken.
    const untilMs = this.#options.monotonic.nowMs() + FLUSH_MS;
    while (this.#closeIdleSockets() > 0 && this.#options.monotonic.nowMs() < untilMs) await delay(SWEEP_MS);
    const closed = this.#app.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    if (this.#slowReaderSweep !== null) clearInterval(this.#slowReaderSweep);
    this.#wheel.close();
  }

  /**
   * Closes connections on which nothing is under way, also those that have not sent their first request yet.
   *
   * @returns how many are busy.
   */
  #closeIdleSockets(): number {
    let busyCount = 0;
    for (const socket of this.#sockets) {
      if (answerOf(socket) !== null || socket.writableLength > 0) busyCount += 1;
      else socket.destroySoon();
    }
    return busyCount;
  }

  #buildServer(config: GatewayConfig): FastifyInstance {
    const slowCheckMs = Math.min(config.headersTimeoutMs, config.receiveTimeoutMs, SLOW_CHECK_MS_MAX);
    const { tls } = this.#options;
    const http = {
      IncomingMessage: DirectMessage,
      maxHeaderSize: config.maxHeaderBytes,
      headersTimeout: config.headersTimeoutMs,
      connectionsCheckingInterval: Math.max(Math.ceil(slowCheckMs / 2), 10),
      keepAlive: true,
      noDelay: true,
    };
    const app = fastify({
      ...(tls === null ? { http } : { https: { ...http, ...tls } }),
      // fastify's own per-request logging and its child loggers cost more than the rest of the gateway together.
      logger: false,
      genReqId: () => this.#ids.next(),
      requestIdHeader: false,
      bodyLimit: config.bodyLimitBytes,
      requestTimeout: config.receiveTimeoutMs,
      keepAliveTimeout: config.keepAliveTimeoutMs,
      // Would restart a timer with every request; connections are looked through now and then instead.
      connectionTimeout: 0,
      forceCloseConnections: 'idle',
      return503OnClosing: false,
      routerOptions: { maxParamLength: config.maxHeaderBytes },
      clientErrorHandler: (error, socket) => this.#onParserError(error, socket),
      frameworkErrors: (error, _request, reply) => this.#onError(error, reply as unknown as FastifyReply),
    });
    app.server.maxConnections = config.connectionsMax;
    // Counted by the gateway itself: the runtime would drop what is over its limit without a word.
    app.server.maxHeadersCount = 0;
    // With TLS the connection that carries requests is the one inside.
    app.server.on(tls === null ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    // A body that nobody will read is not parsed either.
    app.removeAllContentTypeParsers();
    if (config.logRequests) this.#logRequests(app);
    app.setErrorHandler((error, request, reply) => {
      // What is wrong with the body of a request that nothing serves does not matter: QUERY without a content type, say.
      if (request.is404) this.#onNotFound(request, reply);
      else this.#onError(error, reply);
    });
    app.setNotFoundHandler((request, reply) => this.#onNotFound(request, reply));
    return app;
  }

  /** The route and not the path, which may name a person; never the query, which may hold a secret. */
  #logRequests(app: FastifyInstance): void {
    app.addHook('onResponse', (request, reply, done) => {
      const { method, url: route = null } = request.routeOptions;
      const durationMs = Math.round(reply.elapsedTime * 1_000) / 1_000;
      const fields = { requestId: request.id, method, route, status: reply.statusCode, durationMs };
      this.#options.logger.debug(fields, 'request answered');
      done();
    });
  }

  async #addRoutes(): Promise<void> {
    const compiler = new SchemaCompiler();
    const { plugin, config } = this.#options;
    if (plugin !== null) await this.#app.register(throughout(plugin));
    await this.#app.register(async (scope) => this.#addOwnRoutes(scope));
    await this.#app.register(async (scope) => {
      await addFrontDoor(scope, config);
      await scope.register(async (own) => {
        this.#treatAsOwn(own);
        addRequestsRoute(own, this.#context.results, config.retryAfterSeconds);
      });
      for (const route of this.#options.control.routes()) await this.#addJobRoute(scope, route, compiler);
    });
  }

  async #addJobRoute(scope: FastifyInstance, route: RequestRoute, compiler: SchemaCompiler): Promise<void> {
    const { bodySchema, querySchema } = route;
    checkBodyLimit(route, this.#options.config);
    const checkBody = bodySchema && (await compiler.compileBody(bodySchema, `the body of route '${route.route}'`));
    const checkQuery = querySchema && (await compiler.compileQuery(querySchema, `the query of route '${route.route}'`));
    const metrics = this.#context.metrics.route(route.method, route.path);
    try {
      const direct = await addIngestRoute(scope, this.#context, {
        route,
        metrics,
        checkBody,
        checkQuery,
        onError: (error, reply, counts) => this.#onError(error, reply, counts),
      });
      this.#direct?.add(route.method, route.path, direct);
    } catch (error) {
      throw new MillraceError('MILLRACE_JOB_INVALID', `adding route '${route.route}'`, {
        cause: error,
        hint: 'The path is declared twice, is one of the gateway itself, or is not a valid path.',
      });
    }
    this.#allowed.add(route.method, route.path);
  }

  #addOwnRoutes(scope: FastifyInstance): void {
    const { config, metrics } = this.#options;
    this.#treatAsOwn(scope);
    addHealthRoutes(scope, () => this.#readiness());
    addMetricsRoute(scope, metrics);
    scope.register((admin, _options, done) => {
      this.#addAdminRoutes(admin);
      done();
    });
    addOpenApiRoutes(scope, this.#documentation(), config.docsPage);
    addUiRoutes(scope, () => this.#ids.next());
  }

  #addAdminRoutes(scope: FastifyInstance): void {
    const { control, admin, savepoints, clock, version, config } = this.#options;
    const { adminToken } = config;
    const { guard, ...parts } = this.#context;
    const requests = new RequestsView({
      ...parts,
      connectionCount: () => this.#sockets.size,
    });
    scope.addHook('onRequest', (request, _reply, done) => {
      guard.check(request);
      done();
    });
    addJobRoutes(scope, control, clock);
    if (savepoints !== null) addSavepointRoutes(scope, control, savepoints);
    if (admin !== null) addAdminRoutes(scope, { control, admin, clock, version, requests, adminToken });
  }

  /** Every route that is added to `scope` after this is documented and counted as one of the gateway's own. */
  #treatAsOwn(scope: FastifyInstance): void {
    scope.setValidatorCompiler(() => () => true);
    // Answers are typed where they are made; their schemas are for the document.
    scope.setSerializerCompiler(() => (data) => JSON.stringify(data));
    scope.addHook('onRoute', (route) => this.#noteOwnRoute(route));
    this.#countOwnRequests(scope);
  }

  #noteOwnRoute(route: { method: string | string[]; url: string; schema?: { hide?: boolean } }): void {
    const method = String(route.method);
    // fastify adds it beside each GET.
    if (method === 'HEAD') return;
    this.#direct?.leave(method, route.url);
    this.#allowed.add(method, route.url);
    if (route.schema?.hide !== true) this.#ownRoutes.push({ method, path: route.url, schema: route.schema ?? {} });
  }

  /** The gateway's own routes are rare, so a hook may time them. The job's routes count for themselves. */
  #countOwnRequests(scope: FastifyInstance): void {
    const byRoute = new Map<string, RouteMetrics>();
    scope.addHook('onResponse', (request, reply, done) => {
      const path = request.routeOptions.url ?? 'unmatched';
      const label = `${request.method} ${path}`;
      let metrics = byRoute.get(label);
      if (metrics === undefined) {
        metrics = this.#context.metrics.route(request.method, path, { isOwn: true });
        byRoute.set(label, metrics);
      }
      metrics.observe(reply.statusCode, reply.elapsedTime);
      done();
    });
  }

  #documentation(): DocumentationOptions {
    const { control, version } = this.#options;
    return {
      title: control.describe().name,
      version,
      control,
      ownRoutes: this.#ownRoutes,
      nextId: () => this.#ids.next(),
    };
  }

  #readiness(): Readiness {
    if (!this.#context.isDraining) return this.#options.control.readiness();
    return { ready: false, reasons: ['the gateway is shutting down'] };
  }

  #receive(reply: Reply): void {
    const { pending, results, metrics } = this.#context;
    if (pending.reply(reply)) return;
    if (results.accept(reply)) metrics.repliesKept += 1;
    else metrics.repliesDropped += 1;
  }

  #onError(error: unknown, reply: FastifyReply, metrics = this.#context.metrics.unmatched): void {
    const problem = problemOfError(error, this.#options.config.retryAfterSeconds);
    if (isServerFault(problem)) {
      this.#options.logger.error({ err: error, requestId: reply.request.id }, 'answering a request failed');
    }
    // What of the body is still to come is read and dropped: closing now would reset the connection under the answer.
    reply.removeHeader('connection');
    this.#answer(reply, problem, metrics);
  }

  #onNotFound(request: FastifyRequest, reply: FastifyReply): void {
    const { unmatched } = this.#context.metrics;
    const [path = ''] = (request.raw.url ?? '').split('?', 1);
    const allow = this.#allowed.of(path);
    if (allow === '') {
      this.#answer(reply, { code: 'MILLRACE_REQUEST_NOT_FOUND' }, unmatched);
    } else if (request.method === 'OPTIONS') {
      unmatched.count(204);
      reply.code(204).header('allow', allow).send();
    } else {
      this.#answer(reply, { code: 'MILLRACE_METHOD_NOT_ALLOWED', allow }, unmatched);
    }
  }

  #answer(reply: FastifyReply, problem: Problem, metrics: RouteMetrics): void {
    metrics.count(problemStatus(problem));
    sendProblem(reply, this.#context.isDraining ? { ...problem, closes: true } : problem);
  }

  /** What came was no request: slow, too large, or not HTTP. The connection cannot be used any more. */
  #onParserError(error: Error, socket: Socket): void {
    const problem = problemOfParserError(error);
    // An answer now would land within that of an earlier request on this connection, or be taken for it.
    const isAnswering = answerOf(socket)?.headersSent === true || Connection.of(socket).isBusy;
    if (problem === null || !socket.writable || isAnswering) {
      socket.destroy();
      return;
    }
    this.#context.metrics.unparsed.count(problemStatus(problem));
    socket.end(problemResponse(problem));
  }
}

/** fastify gives a plugin a scope of its own unless it says otherwise; this one is meant for everything. */
function throughout(plugin: GatewayPlugin): (app: FastifyInstance) => Promise<void> {
  const register = async (app: FastifyInstance): Promise<void> => plugin(app);
  return Object.assign(register, { [Symbol.for('skip-override')]: true });
}

/** The answer that the runtime is writing, or waits for, on this socket. */
function answerOf(socket: Socket): { readonly headersSent: boolean } | null {
  return (socket as Socket & { _httpMessage?: { headersSent: boolean } | null })._httpMessage ?? null;
}
