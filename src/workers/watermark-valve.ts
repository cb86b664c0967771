import { MAX_WATERMARK, NO_TIMESTAMP } from '../api/timer-service.js';
import { invariant } from '../base/invariant.js';
import type { WatermarkStatus } from '../operators/operator.js';
import type { InputWatermark } from '../protocol/inspection.js';

/** Where the combined watermark goes. */
export interface ValveOutput {
  emitWatermark(timestamp: number): void;
  emitStatus(status: WatermarkStatus): void;
}

type ChannelState = 'ACTIVE' | 'IDLE' | 'FINISHED';

interface Channel {
  state: ChannelState;
  watermark: number;
  /** When state or watermark last changed. */
  since: number;
  /** Whether the channel counts for the minimum: not while it is idle or finished, nor until it has caught up again. */
  isAligned: boolean;
}

/**
 * Combines the watermarks of the channels of one input, as Flink's `StatusWatermarkValve`.
 *
 * ```
 *             IDLE                     end of input
 *   ACTIVE ─────────▶ IDLE     any ─────────────────▶ FINISHED
 *          ◀─────────
 *            ACTIVE: counts at once when its watermark has caught up with the output, else once it does
 * ```
 *
 * - The output is the least watermark of the aligned channels, when it is larger than the last output.
 * - When the last active channel turns idle and was the one that held the output back, the largest watermark of the idle
 *   channels is output; then the valve itself is idle.
 * - A finished channel never counts again, neither for the least nor for the largest: its end must not push the others'
 *   event time to the end. Once all are finished, the watermark that ends the stream is output. Therefore a source that
 *   ends says so by end of input, and does not send that watermark itself.
 *
 * Pure: no thread or I/O, and the clock only says when a channel changed. A call costs a scan of the channels.
 */
export class WatermarkValve {
  readonly #output: ValveOutput;
  readonly #now: () => number;
  readonly #channels: Channel[] = [];
  #lastWatermark = NO_TIMESTAMP;
  #lastStatus: WatermarkStatus = 'ACTIVE';

  /** @param now the clock, for {@link channels}; asked when a channel changes */
  constructor(channelCount: number, output: ValveOutput, now: () => number = () => 0) {
    invariant(channelCount > 0, 'a valve has channels');
    this.#output = output;
    this.#now = now;
    const since = now();
    for (let i = 0; i < channelCount; i++) {
      this.#channels.push({ state: 'ACTIVE', watermark: NO_TIMESTAMP, since, isAligned: true });
    }
  }

  get currentWatermark(): number {
    return this.#lastWatermark;
  }

  /** Index of the channel that holds the watermark back; -1 when none is active. For "why does my window not fire". */
  get slowestChannel(): number {
    let slowest = -1;
    let least = Infinity;
    for (let i = 0; i < this.#channels.length; i++) {
      const channel = this.#channelAt(i);
      if (!channel.isAligned || channel.watermark > least || (slowest >= 0 && channel.watermark === least)) continue;
      slowest = i;
      least = channel.watermark;
    }
    return slowest;
  }

  /** What each channel has said last. */
  get channels(): readonly Readonly<Pick<Channel, 'state' | 'watermark' | 'since'>>[] {
    return this.#channels;
  }

  inputWatermark(channelIndex: number, timestamp: number): void {
    const channel = this.#channelAt(channelIndex);
    if (this.#lastStatus === 'IDLE' || channel.state !== 'ACTIVE' || timestamp <= channel.watermark) return;
    channel.watermark = timestamp;
    channel.since = this.#now();
    if (!channel.isAligned && timestamp >= this.#lastWatermark) channel.isAligned = true;
    this.#outputLeast();
  }

  inputStatus(channelIndex: number, status: WatermarkStatus): void {
    const channel = this.#channelAt(channelIndex);
    if (channel.state === 'FINISHED' || channel.state === status) return;
    if (status === 'IDLE') this.#onIdle(channel);
    else this.#onActive(channel);
  }

  /** The channel has ended. */
  inputFinished(channelIndex: number): void {
    const channel = this.#channelAt(channelIndex);
    if (channel.state === 'FINISHED') return;
    const wasActive = channel.state === 'ACTIVE';
    channel.state = 'FINISHED';
    channel.since = this.#now();
    channel.isAligned = false;
    if (this.#channels.every((each) => each.state === 'FINISHED')) this.#onAllFinished();
    else if (wasActive) this.#onInactive(channel);
  }

  #onIdle(channel: Channel): void {
    channel.state = 'IDLE';
    channel.since = this.#now();
    channel.isAligned = false;
    this.#onInactive(channel);
  }

  /** One active channel less: what is left may advance, or be idle as a whole. */
  #onInactive(channel: Channel): void {
    const heldBack = channel.watermark === this.#lastWatermark;
    if (this.#channels.some((each) => each.state === 'ACTIVE')) {
      if (heldBack || channel.state === 'FINISHED') this.#outputLeast();
      return;
    }
    if (heldBack || channel.state === 'FINISHED') this.#outputLargest();
    this.#emitStatus('IDLE');
  }

  #onActive(channel: Channel): void {
    channel.state = 'ACTIVE';
    channel.since = this.#now();
    if (channel.watermark >= this.#lastWatermark) channel.isAligned = true;
    this.#emitStatus('ACTIVE');
  }

  #onAllFinished(): void {
    // An idle output takes no watermark.
    this.#emitStatus('ACTIVE');
    this.#advanceTo(MAX_WATERMARK);
  }

  #outputLeast(): void {
    let least = Infinity;
    let hasAligned = false;
    for (let i = 0; i < this.#channels.length; i++) {
      const channel = this.#channelAt(i);
      if (!channel.isAligned) continue;
      hasAligned = true;
      if (channel.watermark < least) least = channel.watermark;
    }
    if (hasAligned) this.#advanceTo(least);
  }

  #outputLargest(): void {
    let largest = NO_TIMESTAMP;
    for (const channel of this.#channels) {
      if (channel.state === 'IDLE') largest = Math.max(largest, channel.watermark);
    }
    this.#advanceTo(largest);
  }

  #advanceTo(timestamp: number): void {
    if (timestamp <= this.#lastWatermark) return;
    this.#lastWatermark = timestamp;
    this.#output.emitWatermark(timestamp);
  }

  #emitStatus(status: WatermarkStatus): void {
    if (this.#lastStatus === status) return;
    this.#lastStatus = status;
    this.#output.emitStatus(status);
  }

  #channelAt(index: number): Channel {
    const channel = this.#channels[index];
    invariant(channel !== undefined, 'a channel index is below the number of channels');
    return channel;
  }
}

/** Where the watermark of an input stands. @param channels their indexes in the plan, in the valve's order */
export function describeInput(valve: WatermarkValve, channels: readonly number[]): InputWatermark {
  return {
    watermark: valve.currentWatermark,
    slowest: valve.slowestChannel,
    channels: valve.channels.map(({ state, watermark, since }, index) => {
      return { channel: channels[index] ?? -1, state, watermark, since };
    }),
  };
}
