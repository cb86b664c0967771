import { originName, type RecordOrigin } from './record-origin.js';

/** A timer of one key, by what stays the same however often it fires. */
export interface TimerOrigin {
  /** The uid of the operator that set it. */
  readonly operatorId: string;
  /** Its key as a hash of 53 bits: any key has one, and few have a text. */
  readonly keyHash: number;
  /** When it was to fire, in milliseconds since the epoch. */
  readonly timestamp: number;
}

/**
 * What a job has failed because of, and does again after its restart. A record that is `isDeadly` has ended the thread that
 * processed it, or has held it up for ever: nobody can catch it, so it can only be passed over unseen.
 */
export type Culprit =
  | { readonly kind: 'record'; readonly record: RecordOrigin; readonly isDeadly: boolean }
  | { readonly kind: 'timer'; readonly timer: TimerOrigin };

/** As text, unique among the culprits of a job. */
export function culpritName(culprit: Culprit): string {
  if (culprit.kind === 'record') return originName(culprit.record);
  const { operatorId, keyHash, timestamp } = culprit.timer;
  return `timer of ${operatorId}:${String(keyHash)}:${String(timestamp)}`;
}
