import type { TopicPort } from '../../src/connectors/topic.js';

/** A record as text. */
export interface TextRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything that is durable in a topic now, by partition and offset. */
export async function readTopic(port: TopicPort, topic: string): Promise<TextRecord[]> {
  const { beginOffsets, endOffsets } = await port.describe(topic);
  let missing = endOffsets.reduce((sum, end, partition) => sum + end - (beginOffsets[partition] ?? 0), 0);
  const records: TextRecord[] = [];
  if (missing === 0) return records;
  await new Promise<void>((resolve, reject) => {
    const pump = (): void => {
      try {
        while (missing > 0) {
          const read = reader.poll(1024, (record) => {
            records.push({
              partition: record.partition,
              offset: record.offset,
              key: record.key === null ? null : Buffer.from(record.key).toString('utf8'),
              value: Buffer.from(record.value ?? []).toString('utf8'),
              headers: Object.fromEntries(
                record.headers.map(([name, value]) => [name, Buffer.from(value).toString('utf8')]),
              ),
            });
            return true;
          });
          if (read === 0) return;
          missing -= read;
        }
        resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const reader = port.openReader(topic, {
      positions: new Map(beginOffsets.entries()),
      visibility: 'durable',
      onReadable: pump,
    });
    pump();
  });
  return records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
}
