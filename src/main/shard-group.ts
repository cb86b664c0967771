import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import {
  type AssignedShards,
  GroupMembership,
  type GroupMembershipOptions,
} from '../connectors/kafka/group-membership.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { GroupCheckpoints, ShardsToRun } from './group-checkpoints.js';
import type { JobManager } from './job-manager.js';

type OwnOptions = 'address' | 'onAssigned' | 'onLost' | 'onFailure';

export interface ShardGroupOptions extends Omit<GroupMembershipOptions, OwnOptions> {
  readonly checkpoints: GroupCheckpoints;
  /** The layout of an attempt that runs these shards. */
  readonly planFor: (shards: readonly number[]) => ExecutionPlan;
  readonly logger: Logger;
}

const NOTHING: ShardsToRun = { shards: [], generation: -1 };

/**
 * Runs of a job what the group assigns to this instance: another assignment is another attempt.
 *
 * ```text
 *   assigned: others than before ─▶ hand over to an attempt with the new shards    (a checkpoint, claims, restore)
 *   the attempt has failed, or was fenced ─▶ join anew with nothing ─▶ assigned ─▶ a new attempt from what was committed
 *   the group has gone on without us ─▶ an attempt without shards
 * ```
 *
 * Thread: main.
 */
export class ShardGroup {
  readonly #options: ShardGroupOptions;
  readonly #membership: GroupMembership;
  #manager: JobManager | null = null;
  #shards: readonly number[] = [];
  #addresses: ReadonlyMap<number, string> = new Map();
  #ownAddress: string | null = null;
  /** Whether an attempt runs that can be handed over from. */
  #isRunning = true;

  constructor(options: ShardGroupOptions) {
    this.#options = options;
    this.#membership = new GroupMembership({
      ...options,
      address: () => this.#ownAddress,
      // An instance that can never get shards must not look as if it were at work.
      onFailure: (error) => {
        options.logger.error({ err: error, group: options.group }, 'the group cannot be joined');
        this.#manager?.fail(error);
      },
      onAssigned: (assigned) => this.#onAssigned(assigned),
      onLost: () => this.#run(NOTHING, 'rollback'),
    });
  }

  /**
   * Joins the group. The manager runs an attempt without shards.
   *
   * @param address where the others reach the job in this instance
   */
  start(manager: JobManager, address: string): void {
    this.#manager = manager;
    this.#ownAddress = address;
    this.#options.checkpoints.copyBasesWith((request) => manager.copyBase(request));
    this.#membership.start();
  }

  /** What this instance runs. */
  get shards(): readonly number[] {
    return this.#shards;
  }

  /** Where the job is reached in the instance that runs a shard, as of the last assignment; `null` when none is known to. */
  addressOf(shard: number): string | null {
    return this.#addresses.get(shard) ?? null;
  }

  /** Leaves it; the job has ended. */
  leave(): Promise<void> {
    return this.#membership.leave();
  }

  /** Whether the group mends a failure of an attempt, by giving its shards to an attempt once more. */
  readonly takesCareOf = (failure: Error): boolean => {
    if (this.#manager === null || !MillraceError.is(failure) || !MENDED.has(failure.code)) return false;
    this.#options.logger.warn({ err: failure }, 'the attempt is given up; this instance joins its group anew');
    this.#isRunning = false;
    this.#membership.rejoin();
    return true;
  };

  async #onAssigned({ shards, generation, addresses }: AssignedShards): Promise<void> {
    this.#addresses = addresses;
    if (
      this.#isRunning &&
      shards.length === this.#shards.length &&
      shards.every((shard) => this.#shards.includes(shard))
    )
      return;
    const next = { shards, generation };
    if (this.#isRunning) {
      try {
        return await this.#run(next, 'handover');
      } catch (error) {
        this.#options.logger.warn({ err: error }, 'no orderly hand-over; what was not committed is done again');
      }
    }
    await this.#run(next, 'rollback');
  }

  async #run(next: ShardsToRun, mode: 'handover' | 'rollback'): Promise<void> {
    const { checkpoints, planFor, logger } = this.#options;
    checkpoints.prepareFor(next);
    this.#isRunning = mode === 'handover' && this.#isRunning;
    await this.#manager?.replaceAttempt({ plan: planFor(next.shards), reason: 'rebalance', mode });
    this.#isRunning = true;
    this.#shards = next.shards;
    logger.info({ shards: next.shards, generation: next.generation }, 'shards of this instance');
  }
}

const MENDED: ReadonlySet<string> = new Set(['MILLRACE_PRODUCER_FENCED', 'MILLRACE_BROKER_UNAVAILABLE']);
