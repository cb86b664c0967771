import type { Logger } from '../../base/log.js';
import { KafkaConnection, type KafkaClientOptions, pause } from './kafka-connection.js';
import { asConnectorError, typeOf } from './kafka-errors.js';
import { MemberAssignment, MemberMetadata } from './kafkajs-wire.js';
import { assignShards, type GroupMember } from './shard-assignment.js';

/** Names the way in which shards are assigned: members that know another one are refused by the group. */
const PROTOCOL = 'millrace-sticky-2';
const RETRY_MS = 200;
const LEAVE_WAIT_MS = 1000;

export interface GroupMembershipOptions {
  readonly client: KafkaClientOptions;
  readonly group: string;
  /** Topics whose partitions are the shards, for those who look at the group with Kafka's tools. */
  readonly topics: readonly string[];
  readonly shardCount: number;
  readonly isExclusive: boolean;
  /** Where the others reach the job in this instance; it may become known after the first join, and `null` is nowhere. */
  readonly address: () => string | null;
  /** Silence after which the group takes a member for dead. */
  readonly sessionTimeoutMs: number;
  /** How long a member may take to join again, a checkpoint included. */
  readonly rebalanceTimeoutMs: number;
  /**
   * What this member has to run from now on. Awaited before it says again what it runs, but not before its heartbeats.
   * Shards that are missing must not be run any more when it resolves.
   */
  readonly onAssigned: (assignment: AssignedShards) => Promise<void>;
  /** The group has gone on without this member: what it does now counts for nothing, and others run its shards. */
  readonly onLost: () => Promise<void>;
  /** The group cannot be joined, and trying again does not help. */
  readonly onFailure: (error: Error) => void;
  readonly logger: Logger;
}

export interface AssignedShards {
  readonly shards: readonly number[];
  /** By shard: where the others that run some are reached. */
  readonly addresses: ReadonlyMap<number, string>;
  /** Counts the assignments of the group. */
  readonly generation: number;
}

interface JoinResponse {
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
}

/** What a member says of itself. */
interface MemberClaim {
  readonly owned: readonly number[];
  readonly generation: number;
  readonly address: string | null;
}

/** What the leader tells a member. */
interface MemberOrders {
  readonly shards: readonly number[];
  /** The same for all: who runs which shards, as far as they can be reached. */
  readonly directory: readonly { readonly address: string; readonly shards: readonly number[] }[];
}

/**
 * Membership in a consumer group that shares the shards of a job.
 *
 * ```text
 *   JOIN (owned) ──▶ SYNC ──▶ run what is assigned ──▶ heartbeat … ──▶ the group changes ──▶ JOIN
 *                                │ less than before: once it is let go ──────────────────▶ JOIN
 * ```
 *
 * Heartbeats come from this thread alone, which runs no code of a job's author: a slow function never costs the membership.
 *
 * Thread: main.
 */
export class GroupMembership {
  readonly #options: GroupMembershipOptions;
  /** A join blocks its connection until all have joined. */
  readonly #connection: KafkaConnection;
  readonly #heartbeats: KafkaConnection;
  #memberId = '';
  #generation = -1;
  #owned: readonly number[] = [];
  #ownedGeneration = -1;
  #isLeaving = false;
  #mustRejoin = false;
  #running: Promise<void> = Promise.resolve();
  /** Cuts the pause between two heartbeats short. */
  #wake: () => void = () => undefined;

  constructor(options: GroupMembershipOptions) {
    this.#options = options;
    this.#connection = new KafkaConnection(options.client);
    this.#heartbeats = new KafkaConnection(options.client);
  }

  /** Joins, and stays until {@link leave}. */
  start(): void {
    this.#running = this.#run().catch((error: unknown) => this.#options.onFailure(error as Error));
  }

  /** What this member ran is given up: it joins again with nothing, and gets what it may begin anew. */
  rejoin(): void {
    this.#owned = [];
    this.#mustRejoin = true;
    this.#wake();
  }

  /** Leaves the group, so that the others take over at once. What this member ran must have ended. */
  async leave(): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#wake();
    // A join that waits for others is not waited for.
    await Promise.race([this.#running, pause(LEAVE_WAIT_MS)]);
    const { group } = this.#options;
    try {
      if (this.#memberId !== '') {
        const coordinator = await this.#heartbeats.coordinator('group', group);
        const leaver = { groupId: group, memberId: this.#memberId, members: [{ memberId: this.#memberId }] };
        await this.#heartbeats.call(coordinator, 'LeaveGroup', leaver);
      }
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the group was not told of the leave; it will notice');
    }
    await Promise.all([this.#connection.close(), this.#heartbeats.close()]);
  }

  async #run(): Promise<void> {
    while (!this.#isLeaving) {
      try {
        await this.#runGeneration(await this.#join());
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  async #join(): Promise<MemberOrders> {
    const { group, topics, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options;
    this.#mustRejoin = false;
    const address = this.#options.address();
    const claim: MemberClaim = { owned: this.#owned, generation: this.#ownedGeneration, address };
    const metadata = MemberMetadata.encode({ version: 0, topics, userData: Buffer.from(JSON.stringify(claim)) });
    const joined = await this.#call<JoinResponse>(
      'JoinGroup',
      {
        groupId: group,
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: rebalanceTimeoutMs,
        memberId: this.#memberId,
        protocolType: 'consumer',
        groupProtocols: [{ name: PROTOCOL, metadata }],
      },
      rebalanceTimeoutMs + 5000,
    );
    this.#memberId = joined.memberId;
    this.#generation = joined.generationId;
    const synced = await this.#call<{ memberAssignment: Buffer }>(
      'SyncGroup',
      {
        groupId: group,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupAssignment: joined.leaderId === joined.memberId ? this.#assign(joined) : [],
      },
      rebalanceTimeoutMs + 5000,
    );
    const assignment = MemberAssignment.decode(synced.memberAssignment);
    if (assignment === null) return { shards: [], directory: [] };
    return JSON.parse(assignment.userData.toString('utf8')) as MemberOrders;
  }

  #assign(joined: JoinResponse): { memberId: string; memberAssignment: Buffer }[] {
    const { topics, shardCount, isExclusive, logger } = this.#options;
    const members = joined.members.map(({ memberId, memberMetadata }): GroupMember & MemberClaim => {
      const { userData } = MemberMetadata.decode(memberMetadata);
      return { id: memberId, ...(JSON.parse(userData.toString('utf8')) as MemberClaim) };
    });
    const assignment = assignShards(members, { shardCount, isExclusive });
    const directory = members.flatMap(({ id, address }) =>
      address === null ? [] : [{ address, shards: assignment.get(id) ?? [] }],
    );
    logger.debug({ generation: joined.generationId, assignment: [...assignment] }, 'shards assigned');
    return [...assignment].map(([memberId, shards]) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({
        version: 0,
        assignment: Object.fromEntries(topics.map((topic) => [topic, shards])),
        userData: Buffer.from(JSON.stringify({ shards, directory } satisfies MemberOrders)),
      }),
    }));
  }

  /** Resolves when the group has to be joined again. */
  async #runGeneration({ shards, directory }: MemberOrders): Promise<void> {
    const { onAssigned } = this.#options;
    const letsGo = this.#owned.some((shard) => !shards.includes(shard));
    const generation = this.#generation;
    let isTakenUp = false;
    const addresses = new Map(
      directory.flatMap(({ address, shards: theirs }) => theirs.map((shard) => [shard, address])),
    );
    const takingUp = onAssigned({ shards, generation, addresses }).then(() => {
      if (!this.#mustRejoin) this.#owned = shards;
      this.#ownedGeneration = generation;
      isTakenUp = true;
      // The others wait for what we have let go.
      if (letsGo) this.#wake();
    });
    let failure: unknown = null;
    takingUp.catch((error: unknown) => {
      failure = error;
      this.#owned = [];
      this.#wake();
    });
    try {
      for (;;) {
        await this.#pauseBetweenHeartbeats();
        if (failure !== null) throw failure as Error;
        const isStable = await this.#heartbeat();
        if (this.#isLeaving || (isTakenUp && (letsGo || !isStable || this.#mustRejoin))) return;
      }
    } finally {
      // Whatever comes next, what was begun is finished first.
      await takingUp.catch(() => undefined);
    }
  }

  async #pauseBetweenHeartbeats(): Promise<void> {
    if (this.#isLeaving) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.sessionTimeoutMs / 6);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** @returns whether the group is as it was */
  async #heartbeat(): Promise<boolean> {
    const { group } = this.#options;
    try {
      await this.#heartbeats.retrying(
        async () => {
          const coordinator = await this.#heartbeats.coordinator('group', group);
          const beat = { groupId: group, groupGenerationId: this.#generation, memberId: this.#memberId };
          await this.#heartbeats.call(coordinator, 'Heartbeat', beat).catch((error: unknown) => {
            if (typeOf(error) !== 'REBALANCE_IN_PROGRESS') this.#heartbeats.forgetCoordinator('group', group);
            throw error;
          });
        },
        { forMs: this.#options.sessionTimeoutMs },
      );
      return true;
    } catch (error) {
      if (typeOf(error) === 'REBALANCE_IN_PROGRESS') return false;
      throw error;
    }
  }

  /** After the group has shut us out, or cannot be reached. */
  async #recover(error: unknown): Promise<void> {
    const { onLost, logger, client } = this.#options;
    const type = typeOf(error);
    if (type === 'REBALANCE_IN_PROGRESS') return;
    const failure = asConnectorError(error, 'be a member of the group', client.brokers);
    if (MEMBERSHIP_ERRORS.has(type)) {
      if (type !== 'ILLEGAL_GENERATION') this.#memberId = '';
      logger.warn({ group: this.#options.group, kafkaError: type }, 'the group has gone on without this instance');
      this.#owned = [];
      await onLost();
      return;
    }
    if (failure.recovery === 'fail') throw failure;
    logger.debug({ err: failure }, 'the group cannot be reached');
    this.#connection.forgetCoordinator('group', this.#options.group);
    if (!this.#isLeaving) await pause(RETRY_MS);
  }

  #call<T>(api: 'JoinGroup' | 'SyncGroup', options: object, timeoutMs: number): Promise<T> {
    const { group } = this.#options;
    return this.#connection.retrying(
      async () => {
        try {
          return await this.#connection.call<T>(
            await this.#connection.coordinator('group', group),
            api,
            options,
            timeoutMs,
          );
        } catch (error) {
          const given = (error as { memberId?: unknown }).memberId;
          if (typeof given === 'string' && given !== '') {
            this.#memberId = given;
            const again = { ...options, memberId: given };
            return this.#connection.call<T>(await this.#connection.coordinator('group', group), api, again, timeoutMs);
          }
          this.#connection.forgetCoordinator('group', group);
          throw error;
        }
      },
      { forMs: this.#options.sessionTimeoutMs, unless: () => this.#isLeaving },
    );
  }
}

const MEMBERSHIP_ERRORS: ReadonlySet<string> = new Set([
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'FENCED_INSTANCE_ID',
]);
