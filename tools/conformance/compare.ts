import type { CaseOutput, CaseResult } from './case-format.js';
import { isEqual } from './expressions.js';

/** Relative difference up to which two numbers are the same: sums of doubles in another order. */
const TOLERANCE = 1e-12;

/**
 * Compares per channel (main stream with watermarks and statuses, each side output tag, events), in order up to ties.
 *
 * @returns the first difference; `null` when there is none.
 */
export function compareResults(expected: CaseResult, actual: CaseResult): string | null {
  const expectedChannels = byChannel(expected.outputs);
  const actualChannels = byChannel(actual.outputs);
  for (const channel of new Set([...expectedChannels.keys(), ...actualChannels.keys()])) {
    const difference = compareChannel(expectedChannels.get(channel) ?? [], actualChannels.get(channel) ?? []);
    if (difference !== null) return `${channel}: ${difference}`;
  }
  const late = expected.final?.numLateRecordsDropped;
  const actualLate = actual.final?.numLateRecordsDropped;
  if (late === undefined || late === actualLate) return null;
  return `late records dropped: expected ${late}, got ${String(actualLate)}`;
}

function byChannel(outputs: readonly CaseOutput[]): Map<string, CaseOutput[]> {
  const channels = new Map<string, CaseOutput[]>();
  for (const output of outputs) {
    const channel = output.event !== undefined ? 'events' : output.tag === undefined ? 'main' : `side ${output.tag}`;
    const known = channels.get(channel);
    if (known === undefined) channels.set(channel, [output]);
    else known.push(output);
  }
  return channels;
}

function compareChannel(expected: readonly CaseOutput[], actual: readonly CaseOutput[]): string | null {
  let at = 0;
  while (at < expected.length) {
    const end = endOfGroup(expected, at);
    const wanted = expected.slice(at, end);
    const got = actual.slice(at, end);
    if (wanted.length !== got.length || !interleaves(wanted, got)) {
      return `output ${at}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`;
    }
    at = end;
  }
  if (actual.length === expected.length) return null;
  const surplus = actual.length - expected.length;
  return `${surplus} outputs too many, the first ${JSON.stringify(actual[expected.length])}`;
}

/** A group of ties is contiguous; an output without a tie is a group of its own. */
function endOfGroup(outputs: readonly CaseOutput[], start: number): number {
  const group = outputs[start]?.tie?.[0];
  let end = start + 1;
  if (group === undefined) return end;
  while (end < outputs.length && outputs[end]?.tie?.[0] === group) end++;
  return end;
}

/** Whether the actual outputs are the expected ones, each lane in its order. */
function interleaves(expected: readonly CaseOutput[], actual: readonly CaseOutput[]): boolean {
  const lanes = new Map<string, CaseOutput[]>();
  for (const output of expected) {
    const lane = JSON.stringify(output.tie?.[1] ?? null);
    lanes.set(lane, [...(lanes.get(lane) ?? []), output]);
  }
  const queues = [...lanes.values()];
  const dead = new Set<string>();
  const match = (positions: readonly number[], at: number): boolean => {
    const output = actual[at];
    if (output === undefined) return true;
    const key = positions.join();
    if (dead.has(key)) return false;
    for (let lane = 0; lane < queues.length; lane++) {
      const candidate = queues[lane]?.[positions[lane] ?? 0];
      if (candidate === undefined || !isSameOutput(candidate, output)) continue;
      if (
        match(
          positions.map((position, index) => (index === lane ? position + 1 : position)),
          at + 1,
        )
      )
        return true;
    }
    dead.add(key);
    return false;
  };
  return match(
    queues.map(() => 0),
    0,
  );
}

function isSameOutput(expected: CaseOutput, actual: CaseOutput): boolean {
  if (expected.seq !== actual.seq) return false;
  if (expected.watermark !== actual.watermark || expected.status !== actual.status) return false;
  if (expected.event !== actual.event || expected.detail !== actual.detail) return false;
  if (expected.value === undefined || actual.value === undefined) return expected.value === actual.value;
  return isSameValue(expected.value, actual.value) && timestampOf(expected) === timestampOf(actual);
}

/** The least time stands for no time. */
function timestampOf(output: CaseOutput): unknown {
  return output.ts === undefined || output.ts === 'MIN' ? null : output.ts;
}

function isSameValue(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') {
    return a === b || Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b));
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return isEqual(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const fields = Object.keys(a);
  if (fields.length !== Object.keys(b).length) return false;
  return fields.every(
    (field) => field in b && isSameValue((a as Record<string, unknown>)[field], (b as Record<string, unknown>)[field]),
  );
}
