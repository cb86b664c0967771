import { describe, expect, it } from 'vitest';
import { type ChainTarget, createChainOutput, type OutputTargets } from '../../../src/workers/operator-chain.js';

/** A target that writes down what it gets. */
function target(name: string, received: string[]): ChainTarget {
  return {
    collect: (value, timestamp) => void received.push(`${name} ${String(value)} @${String(timestamp)}`),
    emitWatermark: (timestamp) => void received.push(`${name} watermark ${String(timestamp)}`),
    emitStatus: (status) => void received.push(`${name} ${status}`),
  };
}

describe('an output into several places', () => {
  it('hands each record to each of them in turn, also where it is led elsewhere, and back again', () => {
    const received: string[] = [];
    const targetsOf = (...names: string[]): OutputTargets => ({
      main: names.map((name) => target(name, received)),
      side: new Map(),
    });
    const tally = { numRecordsIn: 0, numRecordsOut: 0, sampleAt: Infinity };
    const plain = targetsOf('a', 'b', 'c');
    const output = createChainOutput(plain, tally);
    output.collect(1, 10);
    output.retarget(targetsOf('traced a', 'traced b', 'traced c'));
    output.collect(2, 20);
    output.retarget(plain);
    output.collect(3, 30);
    output.emitWatermark(40);
    const inTurn = (form: (name: string) => string): string[] => ['a', 'b', 'c'].map(form);
    expect(received).toEqual(
      [
        inTurn((name) => `${name} 1 @10`),
        inTurn((name) => `traced ${name} 2 @20`),
        inTurn((name) => `${name} 3 @30`),
        inTurn((name) => `${name} watermark 40`),
      ].flat(),
    );
    expect(tally.numRecordsOut).toBe(3);
  });

  it('goes no further when one of them fails', () => {
    const received: string[] = [];
    const failing: ChainTarget = {
      ...target('failing', received),
      collect: () => {
        throw new RangeError('behind');
      },
    };
    const main = [target('a', received), failing, target('c', received)];
    const output = createChainOutput(
      { main, side: new Map() },
      { numRecordsIn: 0, numRecordsOut: 0, sampleAt: Infinity },
    );
    expect(() => output.collect(1, 0)).toThrow('behind');
    expect(received).toEqual(['a 1 @0']);
  });
});
