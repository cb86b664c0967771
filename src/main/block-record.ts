import { RecordBlock, type RecordHeader } from '../api/internal/record-block.js';
import type { ProducerRecord } from '../connectors/topic.js';

/**
 * A record to append whose block is there already. The fields are only looked at by an adapter that cannot take the block.
 * Reused: an append keeps nothing of it.
 */
export class BlockRecord implements ProducerRecord {
  block = new RecordBlock();
  partition = 0;

  get timestamp(): number {
    return this.block.timestamp;
  }

  get key(): Uint8Array | null {
    return this.block.key;
  }

  get value(): Uint8Array | null {
    return this.block.value;
  }

  get headers(): readonly RecordHeader[] {
    return this.block.headers;
  }
}
