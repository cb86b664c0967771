import type { CheckpointMirrorStats } from '../checkpoint/checkpoint-mirror.js';
import type { MetricFamily } from '../metrics/prometheus.js';

/** How the copies of checkpoints in the checkpoint store are doing. */
export function mirrorFamilies({ ageMs, waitingBytes, sentBytes, failures }: CheckpointMirrorStats): MetricFamily[] {
  const family = (name: string, type: 'gauge' | 'counter', help: string, value: number): MetricFamily => ({
    name,
    type,
    help,
    samples: [{ labels: {}, value }],
  });
  return [
    family(
      'millrace_checkpoint_store_age_seconds',
      'gauge',
      'Age of the newest checkpoint in the checkpoint store. -1 before the first.',
      ageMs === null ? -1 : ageMs / 1000,
    ),
    family(
      'millrace_checkpoint_store_waiting_bytes',
      'gauge',
      'Bytes of segments that wait to be sent to the checkpoint store.',
      waitingBytes,
    ),
    family(
      'millrace_checkpoint_store_sent_bytes_total',
      'counter',
      'Bytes of segments and bases sent to the checkpoint store.',
      sentBytes,
    ),
    family(
      'millrace_checkpoint_store_failures_total',
      'counter',
      'Attempts to send a checkpoint to the checkpoint store that failed.',
      failures,
    ),
  ];
}
