#!/usr/bin/env node
/**
 * The process: reads the configuration, wires the parts, handles signals. The only file that knows both HTTP and the job.
 *
 * Start-up overlaps what can overlap: worker threads start and restore while the HTTP libraries load.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { accumulatorText, type MergedAccumulator } from './api/internal/merge-accumulators.js';
import { systemClock, systemMonotonicClock } from './base/clock.js';
import { type Config, describeConfig, parseConfig, readCommandLine } from './base/config.js';
import { configErrorText, helpText } from './base/config-help.js';
import { ConfigError, MillraceError } from './base/errors.js';
import type { Logger } from './base/log.js';
import { parseParallelismRange } from './base/parallelism-range.js';
import { SeededPrng } from './base/prng.js';
import type { TopicPort } from './connectors/topic.js';
import { EmbeddedLog } from './connectors/log/embedded-log.js';
import type { WaitingRoom } from './http/waiting-room.js';
import { createExecutionPlan } from './graph/create-execution-plan.js';
import type { ExecutionPlan } from './graph/execution-plan.js';
import { planToText } from './graph/graph-text.js';
import { loadJobModule } from './graph/job-module.js';
import { buildStreamGraph, type StreamGraph } from './graph/stream-graph.js';
import { Autoscaler, loadOf } from './main/autoscaler.js';
import { jobAddress } from './main/job-address.js';
import { JobAdministration } from './main/job-administration.js';
import { FailingRecords } from './checkpoint/failing-records.js';
import { CheckpointMirror } from './checkpoint/checkpoint-mirror.js';
import { JobCheckpoints } from './main/job-checkpoints.js';
import { type JobFolders, openJobFolders } from './main/job-folders.js';
import { JobManager } from './main/job-manager.js';
import { JobMetrics } from './main/job-metrics.js';
import { JobObserver, type RunningJob } from './main/job-observer.js';
import type { GatewayPlugin } from './http/gateway.js';
import { loadHttpPlugin, readTlsFiles } from './main/http-files.js';
import type { GroupSharing } from './main/kafka-sharing.js';
import { createLogger } from './main/logger.js';
import { mirrorFamilies } from './main/mirror-metrics.js';
import { RequestTraces } from './main/request-traces.js';
import type { SavepointControl } from './main/savepoint-control.js';
import { Savepoints } from './main/savepoints.js';
import { userMetricFamilies } from './main/user-metric-families.js';
import { ProcessMetrics } from './metrics/process-metrics.js';
import { PROMETHEUS_CONTENT_TYPE, PrometheusRegistry } from './metrics/prometheus.js';
import { DirectoryLock } from './storage/directory-lock.js';

/** Exit codes, documented in docs/operations.md. */
const EXIT_FAILED = 1;
const EXIT_CONFIG = 2;

/** Width of text that no terminal shows. */
const COLUMNS_OF_A_FILE = 120;

/** `millrace run …`, `millrace …` with nothing but settings, or another command. */
async function main(): Promise<void> {
  const [first = '', ...rest] = process.argv.slice(2);
  if (first === 'run') return run(rest);
  if (first === '' || first.startsWith('-')) return run(process.argv.slice(2));
  // Only now: a process that runs a job must not pay for the commands.
  const { runCommand } = await import('./cli/run-command.js');
  process.exitCode = await runCommand(
    process.argv.slice(2),
    {
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
      isInteractive: process.stdout.isTTY,
      columns: process.stdout.isTTY ? process.stdout.columns : COLUMNS_OF_A_FILE,
    },
    process.env,
  );
}

async function run(args: readonly string[]): Promise<void> {
  const commandLine = readCommandLine({ args, env: process.env });
  if (commandLine.help) {
    const { commandList } = await import('./cli/run-command.js');
    return void process.stdout.write(`${helpText()}\n${await commandList()}\n`);
  }
  if (commandLine.version) return void process.stdout.write(`millrace ${await packageVersion()}\n`);

  const file = commandLine.configPath === null ? null : await readConfigFile(commandLine.configPath);
  const config = parseConfig({ args, env: process.env, file }, { availableCores: availableParallelism() });
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  if (config.supervise) process.exit(await supervise(args, logger));
  const service = new Service(config, logger);
  process.once('SIGTERM', () => service.shutDown('SIGTERM'));
  process.once('SIGINT', () => service.shutDown('SIGINT'));
  await service.start();
}

/** Runs the same command as a child, without this setting. */
async function supervise(args: readonly string[], logger: Logger): Promise<number> {
  const { ProcessSupervisor } = await import('./main/process-supervisor.js');
  const own = args.filter((arg) => !/^--supervise(=|$)/.test(arg));
  const command = [...process.execArgv, process.argv[1] ?? '', 'run', ...own, '--no-supervise'];
  const prng = new SeededPrng(randomInt(2 ** 31));
  return new ProcessSupervisor({ command, clock: systemMonotonicClock, prng, logger }).run();
}

/** Everything that runs, in the order in which it was opened; closed in the reverse order. */
class Service {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #registry = new PrometheusRegistry();
  readonly #closers: { readonly part: string; readonly close: () => Promise<unknown> | void }[] = [];
  /** The part that is being closed; of a shutdown that hangs, the one to look at. */
  #closing = 'nothing yet';
  /** To listen on: the configured one, or the free one that was found while Kafka was waited for. */
  #port: number;
  #waitingRoom: WaitingRoom | null = null;
  #savepoints: SavepointControl | null = null;
  #group: GroupSharing['group'] | null = null;
  #hasJobEnded = false;
  #isShuttingDown = false;

  constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#port = config.port;
  }

  /** Resolves when requests are answered. A failure closes what was opened, and is thrown. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      // Asked to end while it started: what was opened is being closed, and the failure is a consequence of that.
      if (this.#isShuttingDown) return;
      await this.#close();
      throw error;
    }
  }

  /** Stops in order: no new requests, pending ones answered, a last checkpoint, everything flushed. A second call waits for the first. */
  shutDown(signal: string): void {
    if (this.#isShuttingDown) return;
    this.#isShuttingDown = true;
    this.#logger.info({ signal }, 'shutting down');
    this.#limitShutDown();
    this.#close().then(
      () => process.exit(),
      (error: unknown) => exitWith(error),
    );
  }

  async #start(): Promise<void> {
    const config = this.#config;
    const dataDir = resolve(config.dataDir);
    const lock = await DirectoryLock.acquire(dataDir);
    this.#closers.push({ part: "the data folder's lock", close: () => lock.release() });

    const jobModule = config.job === null ? builtInJob() : pathToFileURL(resolve(config.job)).href;
    const [job, log] = await Promise.all([loadJobModule(jobModule), this.#openTopics(dataDir)]);
    const graph = buildStreamGraph(job.build());
    const planOf = (parallelism: number): ExecutionPlan =>
      createExecutionPlan(graph, {
        parallelism,
        workerCount: parallelism,
        shardCount: config.shardCount,
        numbersOutput: config.transport === 'kafka',
      });
    const plan = planOf(config.parallelism);
    for (const warning of plan.warnings) this.#logger.warn({}, warning);

    const gatewayModule = import('./http/gateway.js');
    const traces = await this.#openTraces(job.name);
    const manager = await this.#createManager({ dataDir, log, jobModule, graph, plan, planOf, traces });
    const observer = this.#observe(manager);
    const { Gateway } = await gatewayModule;
    const gateway = await Gateway.build({
      control: manager,
      admin: new JobAdministration({
        manager,
        observer,
        clock: systemClock,
        port: log,
        traces,
        settings: describeConfig(config),
        addressOf: (shard) => this.#group?.addressOf(shard) ?? null,
        cancel: () => this.shutDown('cancelled over HTTP'),
      }),
      savepoints: this.#savepoints,
      tracing: traces,
      config: { ...config, port: this.#port },
      plugin: await loadHttpPlugin<GatewayPlugin>(config.httpPlugin),
      tls: await readTlsFiles(config),
      logger: this.#logger,
      metrics: { contentType: PROMETHEUS_CONTENT_TYPE, render: () => this.#registry.render() },
      clock: systemClock,
      monotonic: systemMonotonicClock,
      version: await packageVersion(),
    });
    // Of a job that has failed there is no answer to wait for.
    this.#closers.push({
      part: 'HTTP',
      close: () => (this.#hasJobEnded ? gateway.close() : gateway.drain(config.shutdownTimeoutMs / 2)),
    });
    this.#registry.register(() => gateway.metricFamilies());
    const processMetrics = new ProcessMetrics();
    this.#registry.register(() => processMetrics.families());
    this.#closers.push({ part: 'the metrics of the process', close: () => processMetrics.stop() });
    await manager.run();
    this.#autoscale(manager, observer);
    const address = await gateway.listen();
    this.#group?.start(manager, jobAddress(manager.describe(), config.kafkaAdvertisedUrl ?? address));
    process.stdout.write(`${planToText(plan)}\n\ndata     ${dataDir}\nlistens  ${address}\n`);
    this.#logger.debug({ config: describeConfig(config) }, 'configuration');
  }

  /** The libraries of OpenTelemetry are loaded only for somebody who has a collector. */
  async #openTraces(jobName: string): Promise<RequestTraces> {
    const { traceSample, otlpEndpoint } = this.#config;
    const options = {
      sample: traceSample,
      clock: systemMonotonicClock,
      prng: new SeededPrng(randomInt(2 ** 31)),
      newId: (bytes: number) => randomBytes(bytes).toString('hex'),
    };
    if (otlpEndpoint === null) return new RequestTraces(options);
    const { OtlpExport } = await import('./main/otlp-export.js');
    const otlp = new OtlpExport({ url: otlpEndpoint, serviceName: jobName, version: await packageVersion() });
    this.#closers.push({ part: 'the export of traces', close: () => otlp.close() });
    return new RequestTraces({ ...options, onSpan: (span) => otlp.add(span) });
  }

  async #openTopics(dataDir: string): Promise<TopicPort> {
    const topics = this.#config.transport === 'kafka' ? await this.#connectToKafka() : await this.#openLog(dataDir);
    this.#closers.push({ part: 'topics', close: () => topics.close() });
    return topics;
  }

  /** While no broker answers, `/readyz` says so. */
  async #connectToKafka(): Promise<TopicPort> {
    const config = this.#config;
    const [{ kafkaClientOptions, openKafkaTopics }, { WaitingRoom: Room }] = await Promise.all([
      import('./main/kafka-transport.js'),
      import('./http/waiting-room.js'),
    ]);
    const onWaiting = async ({ message }: MillraceError): Promise<void> => {
      if (this.#waitingRoom !== null) return void (this.#waitingRoom.reason = message);
      this.#waitingRoom = await Room.open(config.host, config.port, message);
      this.#port = this.#waitingRoom.port;
      this.#logger.warn({ port: this.#port, reason: message }, 'waiting for Kafka');
    };
    try {
      const client = await kafkaClientOptions(config, this.#logger);
      return await openKafkaTopics(config, client, { onWaiting, isWanted: () => !this.#isShuttingDown });
    } finally {
      await this.#waitingRoom?.close();
    }
  }

  async #openLog(dataDir: string): Promise<EmbeddedLog> {
    return EmbeddedLog.open({
      dataDir: join(dataDir, 'log'),
      clock: systemClock,
      logger: this.#logger,
      segmentBytes: this.#config.segmentBytes,
    });
  }

  async #createManager(parts: {
    dataDir: string;
    log: TopicPort;
    jobModule: string;
    graph: StreamGraph;
    plan: ExecutionPlan;
    planOf: (parallelism: number) => ExecutionPlan;
    traces: RequestTraces;
  }): Promise<JobManager> {
    const { dataDir, log, jobModule, graph, plan, planOf, traces } = parts;
    const config = this.#config;
    const folders = await openJobFolders({
      ...config,
      dataDir,
      jobName: plan.jobName,
      environment: process.env,
      logger: this.#logger,
    });
    const { store, segmentDir, stateDir } = folders;
    const sharing = await this.#shareWithGroup({ dataDir, log, graph, plan, store, segmentDir });
    const checkpoints = sharing?.checkpoints ?? new JobCheckpoints({ ...config, store, clock: systemClock });
    const manager = await JobManager.create({
      graph,
      plan: sharing?.plan ?? plan,
      planOf: sharing?.planOf ?? planOf,
      jobModule,
      port: log,
      checkpoints,
      failingRecords: await FailingRecords.open({
        path: join(dataDir, 'failing-records'),
        failuresMax: config.recordFailuresMax,
        logger: this.#logger,
      }),
      state: {
        backend: config.stateBackend,
        stateDir: sharing?.stateDir ?? stateDir,
        segmentDir,
        memtableBudgetBytes: config.memtableBudgetBytes,
      },
      settings: config,
      clock: systemClock,
      monotonic: systemMonotonicClock,
      prng: new SeededPrng(randomInt(2 ** 31)),
      logger: this.#logger,
      onSpans: (spans) => {
        for (const span of spans) traces.add(span);
      },
      ...(sharing === null ? {} : { replyPlace: sharing.replyPlace, takesCareOf: sharing.group.takesCareOf }),
      onEnd: (cause) => this.#onJobEnd(cause, manager.accumulators()),
    });
    // Instances of a group have a store in common already.
    if (sharing === null) await this.#mirrorCheckpoints(folders, checkpoints, manager);
    this.#group = sharing?.group ?? null;
    this.#closers.push({ part: 'the Kafka group', close: () => sharing?.group.leave() });
    this.#closers.push({ part: 'the job', close: () => manager.stop() });
    this.#savepoints = this.#openSavepoints(dataDir, segmentDir, checkpoints, manager);
    return manager;
  }

  /** `null` on the embedded log. */
  async #shareWithGroup(parts: {
    dataDir: string;
    log: TopicPort;
    graph: StreamGraph;
    plan: ExecutionPlan;
    store: JobFolders['store'];
    segmentDir: string;
  }): Promise<GroupSharing | null> {
    const config = this.#config;
    if (config.transport !== 'kafka') return null;
    const { shareWithGroup } = await import('./main/kafka-sharing.js');
    return shareWithGroup({ ...parts, config, environment: process.env, clock: systemClock, logger: this.#logger });
  }

  #observe(manager: JobManager): JobObserver {
    const running = (): RunningJob => ({
      plan: manager.plan,
      shared: manager.attempt.shared,
      attempt: manager.attempt.number,
    });
    const observer = new JobObserver(running, systemMonotonicClock);
    observer.start();
    this.#closers.push({ part: 'the observer', close: () => observer.stop() });
    const metrics = new JobMetrics({ observer, job: manager });
    this.#registry.register(() => metrics.families());
    this.#registry.register(async () =>
      userMetricFamilies(observer.hasUserMetrics() ? await manager.attempt.measurements.read() : []),
    );
    return observer;
  }

  #autoscale(manager: JobManager, observer: JobObserver): void {
    const range = parseParallelismRange(this.#config.autoscale ?? '');
    if (range === null) return;
    const autoscaler = new Autoscaler({
      job: manager,
      range,
      load: () => loadOf(observer.vertices()),
      clock: systemMonotonicClock,
      logger: this.#logger,
    });
    autoscaler.start();
    this.#closers.push({ part: 'the autoscaler', close: () => autoscaler.stop() });
  }

  /** Closed after the job has: its last checkpoint is sent as well. */
  async #mirrorCheckpoints(folders: JobFolders, checkpoints: JobCheckpoints, manager: JobManager): Promise<void> {
    const { archive, store } = folders;
    if (archive === null) return;
    const mirror = await CheckpointMirror.open({
      ...folders,
      archive,
      latest: store.latest,
      copyBase: (request) => manager.copyBase(request),
      intervalMs: this.#config.checkpointStoreIntervalMs,
      callLater: (act, delayMs) => {
        const timer = setTimeout(act, delayMs).unref();
        return () => clearTimeout(timer);
      },
      clock: systemClock,
      logger: this.#logger,
    });
    checkpoints.onCommitted((manifest) => mirror.onCommitted(manifest));
    this.#closers.push({ part: 'the checkpoint store', close: () => mirror.close() });
    this.#registry.register(() => mirrorFamilies(mirror.stats()));
  }

  #openSavepoints(
    dataDir: string,
    segmentDir: string,
    checkpoints: JobCheckpoints,
    manager: JobManager,
  ): SavepointControl {
    const savepoints = new Savepoints({
      job: {
        isRunning: () => manager.isRunning,
        copyBase: (request) => manager.copyBase(request),
        takeCheckpoint: () => manager.takeCheckpoint(),
        markSavepoint: (checkpointId) => manager.checkpointHistory.becameSavepoint(checkpointId),
        stopReading: () => manager.pauseReading(),
        resumeReading: () => manager.resumeReading(),
        stop: () => this.shutDown('stopped with a savepoint'),
      },
      jobId: manager.describe().jid,
      segmentDir,
      workDir: join(dataDir, 'checkpoints', 'savepoint'),
      defaultTarget: this.#config.savepointDir ?? join(dataDir, 'savepoints'),
      environment: process.env,
      logger: this.#logger,
    });
    checkpoints.onCommitted((manifest) => savepoints.onCommitted(manifest));
    return savepoints;
  }

  #onJobEnd(cause: Error | null, accumulators: readonly MergedAccumulator[]): void {
    this.#hasJobEnded = true;
    if (this.#isShuttingDown) return;
    this.#isShuttingDown = true;
    if (cause === null) this.#reportFinished(accumulators);
    this.#limitShutDown();
    const exit = (): void => (cause === null ? process.exit() : exitWith(cause));
    this.#close().then(exit, exit);
  }

  /** The accumulators are the job's result, as in Flink. */
  #reportFinished(accumulators: readonly MergedAccumulator[]): void {
    const values = Object.fromEntries(accumulators.map((each) => [each.name, accumulatorText(each)]));
    const details = accumulators.length === 0 ? {} : { accumulators: values };
    this.#logger.info(details, 'job finished: every source has ended');
  }

  /** A part that hangs must not keep the process from ending. */
  #limitShutDown(): void {
    const { shutdownTimeoutMs } = this.#config;
    setTimeout(() => {
      const details = { shutdownTimeoutMs, closing: this.#closing };
      this.#logger.error(details, 'shutting down took too long; what is not flushed will be replayed');
      process.exit(EXIT_FAILED);
    }, shutdownTimeoutMs).unref();
  }

  async #close(): Promise<void> {
    let failure: Error | null = null;
    for (const { part, close } of this.#closers.splice(0).toReversed()) {
      this.#closing = part;
      try {
        await close();
      } catch (error) {
        failure ??= error as Error;
      }
    }
    if (failure !== null) throw failure;
  }
}

function builtInJob(): string {
  return new URL('./examples/demo/job.js', import.meta.url).href;
}

async function readConfigFile(path: string): Promise<{ path: string; text: string }> {
  try {
    return { path, text: await readFile(path, 'utf8') };
  } catch (cause) {
    throw new ConfigError(`config file "${path}" cannot be read`, {
      hint: 'Check the path given with --config or MILLRACE_CONFIG.',
      cause,
    });
  }
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function exitWith(error: unknown): never {
  process.stderr.write(failureText(error));
  const isConfig = MillraceError.is(error, 'MILLRACE_CONFIG_INVALID');
  process.exit(isConfig ? EXIT_CONFIG : EXIT_FAILED);
}

/** For people, without a stack unless it is a defect: what happened, where, and what to do. */
function failureText(error: unknown): string {
  if (!MillraceError.is(error))
    return `millrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
  if (error instanceof ConfigError) return `${configErrorText(error)}\n`;
  const cause = error.cause instanceof Error ? `\n  cause: ${error.cause.message}` : '';
  const hint = error.hint === null ? '' : `\n  ${error.hint}`;
  return `millrace: ${error.message} [${error.code}]${cause}${hint}\n`;
}

main().catch(exitWith);
