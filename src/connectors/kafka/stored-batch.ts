import type { KafkaConnection } from './kafka-connection.js';
import { refusedByBroker } from './kafka-errors.js';
import type { ProducerIdentity } from './partition-queue.js';
import { FetchedBatch, wholeBatchEnd } from './record-batch.js';
import { fetchRequest } from './wire-requests.js';

const FETCH_BYTES = 1024 * 1024;

/**
 * Looks a batch up in its topic partition, from an offset to the end: after an answer that says nothing about whether it was
 * stored, this does.
 *
 * @returns the offset of its first record, or `null` when it is not there
 */
export async function findStoredBatch(
  connection: KafkaConnection,
  place: { readonly topic: string; readonly partition: number; readonly fromOffset: number },
  sent: { readonly identity: ProducerIdentity; readonly baseSequence: number },
): Promise<number | null> {
  const { topic, partition } = place;
  let offset = place.fromOffset;
  for (;;) {
    const leader = connection.leaderOf(topic, partition);
    if (leader === null) return null;
    const options = { maxWaitMs: 0, maxBytes: FETCH_BYTES, maxBytesPerPartition: FETCH_BYTES, readsCommitted: false };
    const [fetched] = await connection.send(leader, fetchRequest(topic, [{ partition, offset }], options));
    if (fetched === undefined) return null;
    if (fetched.errorCode !== 0) throw refusedByBroker(fetched.errorCode, 'read', { topic, partition });
    const { records } = fetched;
    let end = 0;
    for (let start = 0; (end = wholeBatchEnd(records, start, records.length)) >= 0; start = end) {
      const batch = new FetchedBatch(records, start, end, partition);
      offset = batch.lastOffset + 1;
      const { id, epoch } = sent.identity;
      if (batch.producerId !== id || batch.producerEpoch !== epoch || batch.baseSequence !== sent.baseSequence)
        continue;
      return batch.baseOffset;
    }
    if (records.length === 0 || offset >= fetched.highWatermark) return null;
  }
}
