/**
 * Tries a new release of a job on a savepoint, before a deploy: which operators find their state again, and whether every stored
 * value can be read and migrated by the new code. Nothing runs, and nothing is written but a temporary copy of the savepoint.
 *
 * Operators are opened as a worker opens them, so the author's `open` functions run; state that is only asked for later is
 * reported as undeclared.
 */
import type { JobDefinition } from '../api/job.js';
import type { OperatorSpec } from '../api/internal/operator-spec.js';
import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import { systemClock, systemMonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { CheckpointManifest } from '../checkpoint/checkpoint-manifest.js';
import type { Environment } from '../checkpoint/object-store.js';
import { planRecovery } from '../checkpoint/recovery-plan.js';
import { openSavepoint, type Savepoint } from '../checkpoint/savepoint-folder.js';
import { createExecutionPlan } from '../graph/create-execution-plan.js';
import type { ExecutionPlan, PlanOperator } from '../graph/execution-plan.js';
import { loadJobModule } from '../graph/job-module.js';
import { buildStreamGraph, type StreamGraph } from '../graph/stream-graph.js';
import { createOperator } from '../operators/operator-factory.js';
import type { OperatorContext } from '../operators/operator.js';
import { OperatorRuntimeContext } from '../operators/operator-runtime-context.js';
import { MessagePackSerde } from '../protocol/msgpack-serde.js';
import type { SnapshotHandle } from '../protocol/snapshot-handle.js';
import { DeclaredStates, type InspectedState, inspectState } from '../state/state-inspection.js';
import { declareGuardStates } from './idempotency-guard.js';
import { RestoredOperatorStates } from './task-chain.js';
import { TaskTimerService } from './task-timer-service.js';

export interface SavepointCheckOptions {
  /** Where the savepoint is: a folder, or an s3:// address. */
  readonly location: string;
  /** URL of the job module. */
  readonly jobModule: string;
  /** An empty folder that the savepoint is copied into. */
  readonly workDir: string;
  readonly environment: Environment;
}

/** What a start from the savepoint would find. Plain data. */
export interface SavepointReport {
  readonly savepointId: string;
  readonly checkpointId: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly storedJob: string;
  readonly job: string;
  readonly operators: readonly {
    readonly uid: string;
    /** `dropped`: it has state in the savepoint and the job lacks it; `added`: it starts without state. */
    readonly verdict: 'matched' | 'dropped' | 'added';
  }[];
  readonly states: readonly InspectedState[];
  /** Why the job as a whole could not start from it, whatever the values are; `null` when it could. */
  readonly refusal: string | null;
}

/** @throws MillraceError when there is no savepoint, when it is damaged, or when the job cannot be loaded or opened */
export async function checkSavepoint(options: SavepointCheckOptions): Promise<SavepointReport> {
  const savepoint = await openSavepoint(options.location, options.environment);
  const { manifest, id } = savepoint;
  const job = await loadJobModule(options.jobModule);
  const { plan, declared } = declareStates(job, manifest);
  const stored = storedUids(manifest);
  const now = plan.vertices.flatMap(({ operators }) => operators);
  const stateful = now.filter((operator) => operator.stateNamespace !== null);
  const known = new Set(now.map((operator) => operator.id));
  return {
    savepointId: id,
    checkpointId: manifest.checkpointId,
    timestamp: manifest.timestamp,
    storedJob: manifest.jobName,
    job: plan.jobName,
    operators: [
      ...stored.map((uid) => ({ uid, verdict: known.has(uid) ? ('matched' as const) : ('dropped' as const) })),
      ...stateful
        .filter((operator) => !stored.includes(operator.id))
        .map((operator) => ({ uid: operator.id, verdict: 'added' as const })),
    ],
    states: await inspect(options, savepoint, declared, known),
    refusal: refusalOf(manifest, plan),
  };
}

/** Builds the job's graph and opens its keyed operators on backends that only remember what is asked for. */
function declareStates(
  job: JobDefinition,
  { shardCount }: CheckpointManifest,
): { plan: ExecutionPlan; declared: DeclaredStates } {
  const graph = buildStreamGraph(job.build());
  const plan = createExecutionPlan(graph, { parallelism: 1, workerCount: 1, shardCount });
  const declared = new DeclaredStates(shardCount, systemClock);
  for (const { operators } of plan.vertices) {
    for (const operator of operators) if (operator.stateNamespace !== null) open(plan, graph, operator, declared);
  }
  return { plan, declared };
}

function open(plan: ExecutionPlan, graph: StreamGraph, operator: PlanOperator, declared: DeclaredStates): void {
  const spec = graph.nodes[operator.node]?.spec;
  if (spec === undefined) return;
  if (spec.kind === 'requests') return void declareGuardStates(declared.openBackend(operator.id));
  // No other source keeps keyed state.
  const opened = createOperator(spec as OperatorSpec, { writeLine: () => undefined });
  opened.open(contextOf(plan, operator, declared));
  opened.close();
}

/** A context in which an operator can be opened, and nothing else. */
function contextOf(plan: ExecutionPlan, operator: PlanOperator, declared: DeclaredStates): OperatorContext<unknown> {
  const keyedState = declared.openBackend(operator.id);
  const nothing = (): void => undefined;
  return {
    runtime: new OperatorRuntimeContext(
      {
        jobName: plan.jobName,
        taskName: operator.name,
        parallelism: 1,
        indexOfThisSubtask: 0,
        attemptNumber: 0,
      },
      keyedState,
      systemMonotonicClock,
    ),
    output: {
      collect: nothing,
      collectSide: nothing,
      emitWatermark: nothing,
      emitStatus: nothing,
    },
    keyedState,
    operatorState: new RestoredOperatorStates(null, new MessagePackSerde<unknown>()),
    processingTime: new TaskTimerService(systemClock, systemMonotonicClock),
    scope: { request: null, originSource: 0, originPartition: -1, originOffset: 0, originTime: 0 },
    responder: { respond: nothing },
    counters: { numLateRecordsDropped: 0, numFiredTimers: 0 },
    mailbox: { post: nothing, addPending: nothing },
    operatorId: operator.id,
  };
}

/** Uids that have state of their own in the savepoint. */
function storedUids(manifest: CheckpointManifest): string[] {
  const uids = [
    ...manifest.operators.filter((operator) => operator.stateNamespace !== null).map((operator) => operator.id),
    ...manifest.operatorStates
      .filter(({ lists }) => Object.values(lists).some((items) => items.length > 0))
      .map(({ operatorId }) => operatorId),
  ];
  return [...new Set(uids)].sort();
}

/** Every state of the savepoint whose operator the job has. */
async function inspect(
  { workDir }: SavepointCheckOptions,
  { folder, manifest }: Savepoint,
  declared: DeclaredStates,
  known: ReadonlySet<string>,
): Promise<InspectedState[]> {
  const handles: SnapshotHandle[] = [];
  const folders = { segmentDir: `${workDir}/segments`, stateDir: `${workDir}/state`, filePrefix: '' };
  for (const handle of manifest.snapshots) handles.push(await folder.fetchShards(handle, folders));
  const states: InspectedState[] = [];
  for (const namespace of new Set(handles.map((handle) => handle.namespace))) {
    const where = { namespace, shardCount: manifest.shardCount, ...folders };
    const restore = { checkpointId: manifest.checkpointId, handles };
    states.push(...(await inspectState(where, restore, declared)));
  }
  return states.filter(({ operatorUid }) => known.has(operatorUid));
}

function refusalOf(manifest: CheckpointManifest, plan: ExecutionPlan): string | null {
  try {
    planRecovery(
      { ...manifest, jobName: plan.jobName, origin: { id: '', stateFolder: '', isFresh: true } },
      {
        jobName: plan.jobName,
        workerCount: 1,
        shardCount: manifest.shardCount,
        keyGroupCount: KEY_GROUP_COUNT,
        stateBackend: 'heap',
        operators: plan.vertices.flatMap(({ operators, parallelism }) =>
          operators.map(({ id, stateNamespace }) => ({ id, parallelism, stateNamespace })),
        ),
        sources: plan.topicSources.map(({ operatorId, topic }) => ({ id: operatorId, topic })),
      },
      { allowNonRestoredState: true },
    );
    return null;
  } catch (error) {
    if (MillraceError.is(error, 'MILLRACE_STATE_INCOMPATIBLE')) return error.message;
    throw error;
  }
}
