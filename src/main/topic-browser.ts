import type { TopicPort, TopicRecord } from '../connectors/topic.js';
import type { BrowseRequest, DecodedBytes, TopicRecordView } from './job-admin.js';

/** A record larger than this is shown by its beginning alone. */
const SHOWN_BYTES_MAX = 64 * 1024;
/** Records are on a disk of this machine, or on a broker near by. */
const WAIT_MS = 5_000;

/**
 * Reads a few records of one topic partition for people: JSON where it is JSON, text where it is text.
 *
 * @param endOffset one past the last offset to read, so that nobody waits for records that are still to come
 */
export function browseRecords(
  port: TopicPort,
  { topic, partition, offset, limit }: BrowseRequest,
  endOffset: number,
): Promise<readonly TopicRecordView[]> {
  const records: TopicRecordView[] = [];
  if (offset >= endOffset) return Promise.resolve(records);
  return new Promise((resolve, reject) => {
    let hasEnded = false;
    const end = (error: Error | null): void => {
      if (hasEnded) return;
      hasEnded = true;
      clearTimeout(timer);
      reader.close();
      if (error === null) resolve(records);
      else reject(error);
    };
    const take = (record: TopicRecord): boolean => {
      if (record.offset < endOffset) records.push(viewOf(record));
      return true;
    };
    const pump = (): void => {
      if (hasEnded) return;
      try {
        while (records.length < limit && reader.position(partition) < endOffset) {
          if (reader.poll(limit - records.length, take) === 0) return;
        }
        end(null);
      } catch (error) {
        end(error as Error);
      }
    };
    const reader = port.openReader(topic, {
      positions: new Map([[partition, offset]]),
      visibility: 'durable',
      onReadable: () => setImmediate(pump),
    });
    const timer = setTimeout(() => end(null), WAIT_MS);
    pump();
  });
}

/** A copy: the record's own memory is valid until the next poll. */
export function viewOf(record: TopicRecord): TopicRecordView {
  return {
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: decodeBytes(record.key),
    value: decodeBytes(record.value),
    valueBytes: record.value?.length ?? 0,
    headers: Object.fromEntries(record.headers.map(([name, value]) => [name, textOf(value) ?? base64Of(value)])),
  };
}

/** What bytes say to people. */
export function decodeBytes(bytes: Uint8Array | null): DecodedBytes {
  if (bytes === null) return { encoding: 'none' };
  const text = textOf(bytes);
  if (text === null) return { encoding: 'base64', base64: base64Of(bytes) };
  if (bytes.length > SHOWN_BYTES_MAX) return { encoding: 'text', text: `${text.slice(0, SHOWN_BYTES_MAX)}…` };
  try {
    return { encoding: 'json', json: JSON.parse(text) as unknown };
  } catch {
    return { encoding: 'text', text };
  }
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, SHOWN_BYTES_MAX)).toString('base64');
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Control characters other than white space: bytes that happen to be valid UTF-8 and are not text. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const NOT_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

function textOf(bytes: Uint8Array): string | null {
  try {
    const text = utf8.decode(bytes);
    return NOT_TEXT.test(text) ? null : text;
  } catch {
    return null;
  }
}
