/**
 * Runs requests again: from the log, and the newest state before them, in one thread, with the code that is there now.
 *
 * ```text
 *   data folder ─▶ copy ─▶ checkpoint before the request ─▶ every record since ─▶ the request ─▶ answer, beside the one in the log
 * ```
 *
 * It is what a restart would do if it came right before the request: state, input, their order in each topic, time and chance are the
 * same, and so is what asynchronous functions were told, as far as that is written down. The original folder is not touched, and
 * nothing leaves but what the job's functions do themselves.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { silentLogger } from '../base/log.js';
import type { CheckpointManifest } from '../checkpoint/checkpoint-manifest.js';
import type { Environment } from '../checkpoint/object-store.js';
import { EmbeddedLog } from '../connectors/log/embedded-log.js';
import { createExecutionPlan } from '../graph/create-execution-plan.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { loadJobModule } from '../graph/job-module.js';
import { buildStreamGraph, type StreamGraph } from '../graph/stream-graph.js';
import { JobCheckpoints } from '../main/job-checkpoints.js';
import { openJobFolders } from '../main/job-folders.js';
import { openExpiredRequests, openJobTopics, openProducer } from '../main/job-topics.js';
import { copyDataFolder } from './data-folder-copy.js';
import { JobInThread } from './job-in-thread.js';
import { type Answer, findAnswers, findRequests, type RecordedRequest, type Wanted } from './recorded-requests.js';
import { RecordFeed } from './record-feed.js';
import { ReplayClock } from './replay-clock.js';
import { goBackBefore, isBefore, requireWholeTopics } from './starting-point.js';

/** No checkpoint is taken that would empty it. */
const MEMTABLE_BYTES = 1024 ** 3;
/** What a job was started with unless it was told otherwise. */
const SHARDS_OF_ANY_JOB = 16;

export interface ReplayOptions {
  readonly dataDir: string;
  /** URL of the job module. */
  readonly jobModule: string;
  readonly wanted: Wanted;
  /** Where a savepoint lies to begin with; `null` for the newest checkpoint of the folder before the request. */
  readonly fromSavepoint: string | null;
  readonly allowNonRestoredState: boolean;
  /** An empty folder, for the copy. */
  readonly workDir: string;
  readonly environment: Environment;
  /** What the job prints. */
  readonly onPrinted: (text: string) => void;
  /** Told now and then how many records have been run again. */
  readonly onProgress: (recordCount: number) => void;
}

/** `same` and `different` compare with the log; `unrecorded` when it holds no answer, `unanswered` when the replay gave none. */
export type Verdict = 'same' | 'different' | 'unrecorded' | 'unanswered';

export interface ReplayedRequest {
  readonly request: RecordedRequest;
  readonly verdict: Verdict;
  readonly replayed: Answer | null;
  readonly recorded: Answer | null;
}

export interface ReplayReport {
  readonly job: string;
  /** What it began with: `null` for the beginning of all topics. */
  readonly checkpointId: number | null;
  /** How many records were run again. */
  readonly recordCount: number;
  /** In the order of the log. */
  readonly requests: readonly ReplayedRequest[];
}

const PROGRESS_RECORDS = 10_000;

/**
 * @throws MillraceError `MILLRACE_REQUEST_NOT_FOUND` when the log holds no such request, `MILLRACE_OFFSET_OUT_OF_RANGE` when nothing
 * that it could begin with lies before the request, `MILLRACE_JOB_INVALID` for a job whose input is not in topics alone; and what the
 * job itself fails with
 */
export async function replay(options: ReplayOptions): Promise<ReplayReport> {
  const { workDir, fromSavepoint } = options;
  await copyDataFolder(options.dataDir, workDir, fromSavepoint === null);
  const clock = new ReplayClock();
  // By the time of the records nothing of the log is too old.
  const log = await EmbeddedLog.open({ dataDir: join(workDir, 'log'), clock });
  try {
    return await replayIn(log, clock, options);
  } finally {
    await log.close();
  }
}

async function replayIn(log: EmbeddedLog, clock: ReplayClock, options: ReplayOptions): Promise<ReplayReport> {
  const { jobModule, wanted } = options;
  const job = await loadJobModule(jobModule);
  const graph = buildStreamGraph(job.build());
  requireTopicsAlone(graph);
  const plan = await planFor(graph, log);
  const requests = await findRequests(log, plan, wanted);
  if (requests.length === 0) throw notFound(wanted);
  const ids = new Set(requests.map(({ id }) => id));
  const recorded = await findAnswers(log, plan, ids);
  const start = await openStart(log, plan, clock, { options, requests });
  clock.advanceTo(start.timestamp);
  const { state, restored } = start;
  const { onPrinted } = options;
  const running = await JobInThread.start({ plan, job, jobModule, state, restored, clock, wanted: ids, onPrinted });
  const feed = await RecordFeed.open(log, plan.topicSources, start);
  try {
    const run = new ReplayRun(running, feed, options.onProgress);
    await run.untilAnswered([...recorded.values()].map(({ timestamp }) => timestamp));
    const { recordCount } = run;
    const replayed = requests.map((request) => judged(request, running.answerTo(request.id), recorded));
    return { job: plan.jobName, checkpointId: start.restored?.checkpointId ?? null, recordCount, requests: replayed };
  } finally {
    feed.close();
    await running.close();
  }
}

class ReplayRun {
  readonly #job: JobInThread;
  readonly #feed: RecordFeed;
  readonly #onProgress: (recordCount: number) => void;
  recordCount = 0;

  constructor(job: JobInThread, feed: RecordFeed, onProgress: (recordCount: number) => void) {
    this.#job = job;
    this.#feed = feed;
    this.#onProgress = onProgress;
  }

  /** Runs records until every request has its answer, and then what comes when no record does: timers, until the last of `answerTimes`. */
  async untilAnswered(answerTimes: readonly number[]): Promise<void> {
    while (!this.#job.hasAnswered && this.#feed.nextTimestamp < Infinity) await this.#step();
    if (!this.#job.hasAnswered) await this.#job.settleAt(Math.max(0, ...answerTimes));
  }

  async #step(): Promise<void> {
    const timestamp = this.#feed.nextTimestamp;
    // Timers that were due before the record fire before it.
    await this.#job.settleAt(timestamp);
    await this.#feed.next((source, record) => this.#job.put(source, record));
    await this.#job.settleAt(timestamp);
    this.recordCount++;
    if (this.recordCount % PROGRESS_RECORDS === 0) this.#onProgress(this.recordCount);
  }
}

/** What the job begins with, and where its sources do. */
async function openStart(
  log: EmbeddedLog,
  plan: ExecutionPlan,
  clock: Clock,
  { options, requests }: { readonly options: ReplayOptions; readonly requests: readonly RecordedRequest[] },
) {
  const { workDir, environment, fromSavepoint, allowNonRestoredState } = options;
  if (fromSavepoint === null) await goBackBefore(requests, workDir);
  const { store, stateDir, segmentDir } = await openJobFolders({
    dataDir: workDir,
    jobName: plan.jobName,
    checkpointsRetained: 1,
    fromSavepoint,
    checkpointStore: null,
    environment,
    logger: silentLogger,
  });
  const { latest } = store;
  if (latest === null) await requireWholeTopics(log, plan);
  else requireBefore(latest, requests);
  const backend = latest?.snapshots[0]?.backend ?? 'heap';
  const checkpoints = new JobCheckpoints({ store, stateBackend: backend, allowNonRestoredState, clock });
  const restorePoint = checkpoints.restorePoint(plan);
  const topics = await openJobTopics({
    port: log,
    plan,
    replyPartitions: await partitionsOf(log, plan.responseTopic),
    retentionMs: Infinity,
    retentionBytes: Infinity,
  });
  const producer = await openProducer(log, plan, checkpoints.committedOutput());
  await producer.close();
  return {
    from: new Map([...topics.defaultPositions, ...(restorePoint?.offsets ?? [])]),
    expired: await openExpiredRequests(log, plan, clock),
    restored: restorePoint?.workers?.[0] ?? null,
    timestamp: latest?.timestamp ?? requests[0]?.timestamp ?? 0,
    state: { backend, stateDir, segmentDir, memtableBudgetBytes: MEMTABLE_BYTES },
  };
}

function requireBefore(manifest: CheckpointManifest, requests: readonly RecordedRequest[]): void {
  const late = requests.find((request) => !isBefore(manifest, request));
  if (late === undefined) return;
  throw new MillraceError(
    'MILLRACE_OFFSET_OUT_OF_RANGE',
    `checkpoint ${String(manifest.checkpointId)} was taken after the request ${late.id}: it cannot be run again from there`,
    {
      details: {
        checkpointId: manifest.checkpointId,
        topic: late.topic,
        partition: late.partition,
        offset: late.offset,
      },
      hint: 'Name a savepoint that was taken before the request: --from-savepoint.',
    },
  );
}

/** One worker with every task. Topics of requests have as many partitions as the job has shards. */
async function planFor(graph: StreamGraph, log: EmbeddedLog): Promise<ExecutionPlan> {
  const planOf = (shardCount: number): ExecutionPlan =>
    createExecutionPlan(graph, { parallelism: 1, workerCount: 1, shardCount });
  const plan = planOf(SHARDS_OF_ANY_JOB);
  const source = plan.topicSources.find(({ kind }) => kind === 'requests');
  if (source === undefined || !log.topics().includes(source.topic)) return plan;
  return planOf((await log.describe(source.topic)).partitions);
}

async function partitionsOf(log: EmbeddedLog, topic: string | null): Promise<number> {
  return topic !== null && log.topics().includes(topic) ? (await log.describe(topic)).partitions : 1;
}

function requireTopicsAlone({ nodes, jobName }: StreamGraph): void {
  const source = nodes.find(({ spec }) => spec.kind === 'generator-source' || spec.kind === 'collection-source');
  if (source === undefined) return;
  throw new MillraceError(
    'MILLRACE_JOB_INVALID',
    `job '${jobName}' cannot be replayed: how far its source '${source.id}' had come at a request is not recorded`,
    { details: { job: jobName, operator: source.id }, hint: 'Only jobs whose sources are requests and topics can.' },
  );
}

function notFound(wanted: Wanted): MillraceError {
  const what = 'id' in wanted ? `request ${wanted.id}` : `request with the key ${JSON.stringify(wanted.key)}`;
  return new MillraceError('MILLRACE_REQUEST_NOT_FOUND', `the topics of the data folder hold no ${what}`, {
    details: { ...wanted },
    hint: 'The id is what an answer carries as x-request-id. Requests older than the retention of their topic are gone.',
  });
}

function judged(
  request: RecordedRequest,
  replayed: Answer | null,
  recorded: ReadonlyMap<string, Answer>,
): ReplayedRequest {
  const before = recorded.get(request.id) ?? null;
  return { request, replayed, recorded: before, verdict: verdictOf(replayed, before) };
}

function verdictOf(replayed: Answer | null, recorded: Answer | null): Verdict {
  if (replayed === null) return 'unanswered';
  if (recorded === null) return 'unrecorded';
  const { status, contentType, body } = replayed;
  const isSame = status === recorded.status && contentType === recorded.contentType && body.equals(recorded.body);
  return isSame ? 'same' : 'different';
}
