import { BarrierAligner } from '../checkpoint/barrier-aligner.js';
import { invariant } from '../base/invariant.js';
import type {
  AppendListener,
  OutputCommit,
  OutputEnds,
  ProducerRecord,
  TransactionalProducer,
} from '../connectors/topic.js';

/**
 * The exactly-once output of one attempt: what the subtasks wrote before the barrier of a checkpoint becomes visible with
 * that checkpoint, and nothing of what they wrote after it.
 *
 * Main is the last consumer of every subtask, so it aligns their barriers as a subtask does its inputs': a channel that has
 * delivered its barrier is not read until all have. The moment of the last one is a single place in the topics, and the
 * checkpoint's output ends there.
 *
 * ```text
 *   channel 0   ● ● ▌● ● ┆           ▌ barrier of 7      ┆ the place: prepare(7), all channels flow again
 *   channel 1   ● ● ● ● ▌┆● ●
 * ```
 *
 * It cannot hang: a subtask that has not passed the barrier is not upstream of one that has, so a channel that is left
 * unread never holds up the barrier of another. Answers to requests in such a channel wait for the alignment as well.
 *
 * Thread: main.
 */
export class TransactionalOutput {
  readonly #producer: TransactionalProducer;
  readonly #aligner: BarrierAligner;
  #preparedId = 0;
  #outputs: OutputEnds = {};

  /** @param channelCount egress channels of subtasks with exactly-once sinks; at least 1 */
  constructor(producer: TransactionalProducer, channelCount: number) {
    this.#producer = producer;
    this.#aligner = new BarrierAligner(channelCount);
  }

  append(topic: string, record: ProducerRecord, listener: AppendListener | null): void {
    this.#producer.append(topic, record, listener);
  }

  /** Whether a channel, by its place among those with exactly-once sinks, must not be read now. */
  isBlocked(place: number): boolean {
    return this.#aligner.isBlocked(place);
  }

  /**
   * A channel has delivered a barrier.
   *
   * @param onAligned called when it was the last one: what it appends is the end of the checkpoint's output
   * @returns `null` while others have not; else resolves when the checkpoint's output is durable
   */
  onBarrier(place: number, checkpointId: number, onAligned: () => void = () => undefined): Promise<void> | null {
    if (this.#aligner.onBarrier(place, checkpointId) === 0) return null;
    onAligned();
    return this.#prepare(checkpointId);
  }

  async #prepare(checkpointId: number): Promise<void> {
    this.#preparedId = checkpointId;
    const outputs = await this.#producer.prepare(checkpointId);
    if (this.#preparedId === checkpointId) this.#outputs = outputs;
  }

  /** Where the output of a checkpoint ends that everybody has acknowledged. */
  outputsOf(checkpointId: number): OutputEnds {
    invariant(this.#preparedId === checkpointId, 'the output of a checkpoint is prepared before it is committed');
    return this.#outputs;
  }

  /** The checkpoint's manifest is durable: its output becomes visible. */
  commit(commit: OutputCommit): Promise<void> {
    return this.#producer.commit(commit);
  }

  /** The coordinator gave the checkpoint up. */
  abort(checkpointId: number): void {
    this.#aligner.onAborted(checkpointId);
    if (this.#preparedId !== checkpointId) return;
    this.#preparedId = 0;
    this.#producer.abort(checkpointId);
  }

  close(): Promise<void> {
    return this.#producer.close();
  }
}
