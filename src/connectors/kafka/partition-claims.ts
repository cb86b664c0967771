import { randomInt } from 'node:crypto';
import type { CommittedOffset } from '../topic.js';
import type { KafkaConnection } from './kafka-connection.js';
import { pause } from './kafka-connection.js';
import { asConnectorError, producerFenced } from './kafka-errors.js';
import { KafkaTransaction, type OffsetsByTopic } from './kafka-transaction.js';

/**
 * Who may write the state and the output of a partition: the transactional id that the metadata of its offset names.
 *
 * Kafka fences by transactional id, and kafkajs cannot fence by the generation of a group. So an attempt of a job has a
 * transactional id of its own, every commit of it leaves that name with the offsets, and whoever takes a partition over first
 * opens the id that it finds there: which ends what its owner has under way, and lets it commit nothing more, be it paused,
 * cut off or merely slow.
 *
 * ```text
 *   read the offset: owner A, at checkpoint 7 ─▶ open A's id (A is shut out) ─▶ read again: still A? ─┬─ no: from the start
 *                                                        in a transaction of A's id: owner B, at 7 ◀──┘ yes
 * ```
 *
 * The claim itself is a transaction of A's id. So of two that take over from A one fails, and neither can overwrite what the
 * other, or whoever came after, has committed meanwhile: it would have had to open A's id last.
 *
 * - **Invariant:** the owner named with an offset is the only one that can commit that offset, or name another owner.
 * - A partition without an offset has the owner that {@link unclaimedId} names.
 */
export interface PartitionClaim {
  /** Transactional id of the owner. */
  readonly owner: string;
  /** Names the checkpoint that belongs to the offset; `null` before the first. */
  readonly checkpoint: string | null;
  /** Of the group, when the owner became it. */
  readonly generation: number;
}

/** An offset and what it stands for. */
export interface ClaimedOffset extends PartitionClaim {
  readonly offset: number;
}

export interface ClaimOptions {
  readonly connection: KafkaConnection;
  readonly group: string;
  readonly transactionalId: string;
  readonly generation: number;
  readonly transactionTimeoutMs: number;
  /** What to claim: by topic and partition, where to begin when nobody has committed an offset. */
  readonly partitions: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** The group's offsets. */
  readonly committedOffsets: (topic: string) => Promise<ReadonlyMap<number, CommittedOffset>>;
}

type Claims = Map<string, Map<number, ClaimedOffset>>;

const FORMAT = 1;
const REST_MS_MIN = 10;
const REST_MS_MAX = 80;

/** The metadata of an offset: Kafka allows 4,096 bytes. */
export function encodeClaim({ owner, checkpoint, generation }: PartitionClaim): string {
  return JSON.stringify({ millrace: FORMAT, owner, checkpoint, generation });
}

/** `null` for an offset that something else than Millrace committed. */
export function decodeClaim(metadata: string): PartitionClaim | null {
  try {
    const { millrace, owner, checkpoint, generation } = JSON.parse(metadata) as Record<string, unknown>;
    if (millrace !== FORMAT || typeof owner !== 'string' || typeof generation !== 'number') return null;
    return { owner, checkpoint: typeof checkpoint === 'string' ? checkpoint : null, generation };
  } catch {
    return null;
  }
}

/** Who owns the partitions of a group that nobody has claimed. */
export function unclaimedId(group: string): string {
  return `${group}.unclaimed`;
}

/**
 * Makes `transactionalId` the owner of partitions.
 *
 * @returns where each of them stands
 * @throws ConnectorError `MILLRACE_PRODUCER_FENCED` when somebody of a later generation owns one already
 */
export async function claimPartitions(
  options: ClaimOptions,
): Promise<ReadonlyMap<string, ReadonlyMap<number, ClaimedOffset>>> {
  const { transactionalId, generation, connection } = options;
  for (;;) {
    const claims = await readClaims(options);
    const all = [...claims.values()].flatMap((ofTopic) => Array.from(ofTopic.values()));
    const later = all.find((claim) => claim.generation > generation);
    if (later !== undefined) throw producerFenced('claim partitions', { owner: later.owner, generation });
    const others = new Set(all.map(({ owner }) => owner).filter((owner) => owner !== transactionalId));
    if (others.size === 0) return claims;
    for (const owner of others) {
      try {
        await takeOver(options, owner);
      } catch (error) {
        const failure = asConnectorError(error, 'claim partitions', connection.options.brokers);
        // Somebody else takes over from the same owner, other partitions as a rule.
        if (failure.code !== 'MILLRACE_PRODUCER_FENCED' && failure.recovery !== 'retry') throw failure;
      }
    }
    await pause(randomInt(REST_MS_MIN, REST_MS_MAX));
  }
}

async function takeOver(options: ClaimOptions, owner: string): Promise<void> {
  const { connection, group, transactionalId, generation, transactionTimeoutMs } = options;
  const transaction = await KafkaTransaction.open(connection, owner, transactionTimeoutMs);
  // Nothing of the owner's is under way any more: what is read now is what stands.
  const claims = await readClaims(options);
  const taken: [string, Map<number, CommittedOffset>][] = [...claims].map(([topic, byPartition]) => [
    topic,
    new Map(
      [...byPartition]
        .filter(([, claim]) => claim.owner === owner)
        .map(([partition, { offset, checkpoint }]) => [
          partition,
          { offset, metadata: encodeClaim({ owner: transactionalId, checkpoint, generation }) },
        ]),
    ),
  ]);
  const offsets: OffsetsByTopic = new Map(taken);
  await transaction.addOffsets(group, offsets);
  await transaction.end(true);
}

async function readClaims({ group, partitions, committedOffsets }: ClaimOptions): Promise<Claims> {
  const claims: Claims = new Map();
  for (const [topic, wanted] of partitions) {
    const committed = await committedOffsets(topic);
    const ofTopic = new Map<number, ClaimedOffset>();
    for (const [partition, start] of wanted) {
      const stored = committed.get(partition);
      const nobody = { owner: unclaimedId(group), checkpoint: null, generation: -1 };
      const claim = stored === undefined ? nobody : (decodeClaim(stored.metadata) ?? nobody);
      ofTopic.set(partition, { ...claim, offset: stored?.offset ?? start });
    }
    claims.set(topic, ofTopic);
  }
  return claims;
}
