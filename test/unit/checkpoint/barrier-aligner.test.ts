import { describe, expect, it } from 'vitest';
import { BarrierAligner } from '../../../src/checkpoint/barrier-aligner.js';

/** The channels that are blocked, for comparison. */
function blocked(aligner: BarrierAligner, channelCount: number): number[] {
  return Array.from({ length: channelCount }, (_, channel) => channel).filter((channel) => aligner.isBlocked(channel));
}

describe('BarrierAligner', () => {
  it('blocks each channel at its barrier and takes the snapshot at the last one', () => {
    const aligner = new BarrierAligner(3);
    expect(aligner.onBarrier(1, 7)).toBe(0);
    expect(blocked(aligner, 3)).toEqual([1]);
    expect(aligner.aligning).toBe(7);
    expect(aligner.onBarrier(2, 7)).toBe(0);
    expect(blocked(aligner, 3)).toEqual([1, 2]);
    expect(aligner.onBarrier(0, 7)).toBe(7);
    expect(blocked(aligner, 3)).toEqual([]);
    expect(aligner.aligning).toBe(0);
  });

  it('takes the snapshot at once when there is one channel', () => {
    const aligner = new BarrierAligner(1);
    expect(aligner.onBarrier(0, 1)).toBe(1);
    expect(aligner.onBarrier(0, 2)).toBe(2);
    expect(blocked(aligner, 1)).toEqual([]);
  });

  it('waits for no channel that has ended', () => {
    const aligner = new BarrierAligner(3);
    expect(aligner.onChannelEnded(0)).toBe(0);
    expect(aligner.onBarrier(1, 1)).toBe(0);
    expect(aligner.onBarrier(2, 1)).toBe(1);
  });

  it('takes the snapshot when the channel that everybody waits for ends instead', () => {
    const aligner = new BarrierAligner(2);
    expect(aligner.onBarrier(0, 1)).toBe(0);
    expect(aligner.onChannelEnded(1)).toBe(1);
    expect(blocked(aligner, 2)).toEqual([]);
    expect(aligner.onBarrier(0, 2)).toBe(2);
    expect(aligner.onChannelEnded(0)).toBe(0);
  });

  it('gives an older checkpoint up for a newer one, and lets its channels flow', () => {
    const aligner = new BarrierAligner(3);
    aligner.onBarrier(0, 1);
    expect(aligner.onBarrier(1, 2)).toBe(0);
    expect(blocked(aligner, 3)).toEqual([1]);
    expect(aligner.aligning).toBe(2);
    expect(aligner.onBarrier(2, 1)).toBe(0);
    expect(blocked(aligner, 3)).toEqual([1]);
    expect(aligner.onBarrier(0, 2)).toBe(0);
    expect(aligner.onBarrier(2, 2)).toBe(2);
  });

  it('takes the snapshot of the newer checkpoint when nobody else is left to wait for', () => {
    const aligner = new BarrierAligner(2);
    aligner.onBarrier(0, 1);
    expect(aligner.onBarrier(1, 2)).toBe(0);
    expect(aligner.onChannelEnded(0)).toBe(2);
  });

  it('ignores barriers of a checkpoint that it has completed', () => {
    const aligner = new BarrierAligner(1);
    aligner.onBarrier(0, 3);
    expect(aligner.onBarrier(0, 3)).toBe(0);
    expect(aligner.onBarrier(0, 2)).toBe(0);
    expect(blocked(aligner, 1)).toEqual([]);
  });

  it('lets all channels flow when the checkpoint is aborted, and ignores its barriers that are still to come', () => {
    const aligner = new BarrierAligner(2);
    aligner.onBarrier(0, 5);
    aligner.onAborted(5);
    expect(blocked(aligner, 2)).toEqual([]);
    expect(aligner.onBarrier(1, 5)).toBe(0);
    expect(blocked(aligner, 2)).toEqual([]);
    expect(aligner.onBarrier(1, 6)).toBe(0);
    expect(aligner.onBarrier(0, 6)).toBe(6);
  });

  it('never begins a checkpoint whose abortion it heard of before its first barrier', () => {
    const aligner = new BarrierAligner(2);
    aligner.onAborted(5);
    expect(aligner.onBarrier(0, 5)).toBe(0);
    expect(blocked(aligner, 2)).toEqual([]);
  });

  it('keeps aligning when an older checkpoint is aborted', () => {
    const aligner = new BarrierAligner(2);
    aligner.onBarrier(0, 6);
    aligner.onAborted(5);
    expect(blocked(aligner, 2)).toEqual([0]);
    expect(aligner.onBarrier(1, 6)).toBe(6);
  });

  it('calls an element from a blocked or ended channel a defect', () => {
    const aligner = new BarrierAligner(2);
    aligner.onBarrier(0, 1);
    expect(() => aligner.onBarrier(0, 2)).toThrow('a barrier comes from a channel that is open and not blocked');
    expect(() => aligner.onChannelEnded(0)).toThrow('a channel ends once, and not while it is blocked');
    expect(() => aligner.onBarrier(5, 2)).toThrow('a barrier comes from a channel that is open and not blocked');
    aligner.onChannelEnded(1);
    expect(() => aligner.onChannelEnded(1)).toThrow('a channel ends once, and not while it is blocked');
  });
});
