import { describe, expect, it } from 'vitest';
import {
  type CheckpointManifest,
  decodeManifest,
  encodeManifest,
  MANIFEST_VERSION,
} from '../../../src/checkpoint/checkpoint-manifest.js';
import { aManifest } from '../../helpers/checkpoint-builders.js';

function documentOf(manifest: CheckpointManifest): Record<string, unknown> {
  return JSON.parse(Buffer.from(encodeManifest(manifest)).toString()) as Record<string, unknown>;
}

const decode = (document: unknown): CheckpointManifest =>
  decodeManifest(Buffer.from(JSON.stringify(document)), 'm.ckpt');

describe('a checkpoint manifest', () => {
  it('comes back as it was written, bytes of operator state included', () => {
    const manifest = aManifest(7);
    const decoded = decodeManifest(encodeManifest(manifest), 'm.ckpt');
    expect(decoded).toEqual({
      ...manifest,
      operatorStates: [{ operatorId: 'requests', subtask: 0, lists: { position: [Buffer.from([1, 2, 255])] } }],
    });
  });

  it('says which format and version it has', () => {
    expect(documentOf(aManifest(1))).toMatchObject({ format: 'millrace-checkpoint', version: MANIFEST_VERSION });
  });

  it('of a newer release is refused, not guessed at', () => {
    expect(() => decode({ ...documentOf(aManifest(1)), version: MANIFEST_VERSION + 1 })).toThrowError(
      expect.objectContaining({
        code: 'MILLRACE_STATE_INCOMPATIBLE',
        message: "the checkpoint manifest 'm.ckpt' has format version 3, this release reads up to 2",
      }) as Error,
    );
  });

  it.each([
    ['JSON object', []],
    ['format', { format: 'something-else' }],
    ['checkpointId', { checkpointId: -1 }],
    ['checkpointId', { checkpointId: 1.5 }],
    ['jobName', { jobName: null }],
    ['sources.requests', { sources: { requests: 5 } }],
    ['sources.requests.offsets.0', { sources: { requests: { topic: 't', offsets: { 0: 'x' } } } }],
    ['outputs.t.0', { outputs: { t: { 0: -1 } } }],
    ['operators[0].stateNamespace', { operators: [{ id: 'a', parallelism: 1 }] }],
    ['snapshots[0].backend', { snapshots: [{ ...aManifest(1).snapshots[0], backend: 'rocks' }] }],
    ['snapshots[0].shards[1]', { snapshots: [{ ...aManifest(1).snapshots[0], shards: [0, 'a'] }] }],
    ['snapshots[0].segments', { snapshots: [{ ...aManifest(1).snapshots[0], segments: {} }] }],
    ['operatorStates[0].lists.a[1]', { operatorStates: [{ operatorId: 'a', subtask: 0, lists: { a: ['AA==', 1] } }] }],
  ])('without a valid %s is refused by that name', (place, change) => {
    const document = Array.isArray(change) ? change : { ...documentOf(aManifest(1)), ...change };
    expect(() => decode(document)).toThrowError(
      expect.objectContaining({
        code: 'MILLRACE_STATE_CORRUPT',
        message: `the checkpoint manifest 'm.ckpt' has no valid ${place}`,
      }) as Error,
    );
  });

  it('that is no JSON at all is refused', () => {
    expect(() => decodeManifest(Buffer.from('{ "format": '), 'm.ckpt')).toThrow('has no valid JSON object');
  });
});
