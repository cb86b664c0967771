import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceProcess } from '../../helpers/service-process.js';

/** Topics over HTTP, in both directions, against a running process. */

const MIB = 1024 * 1024;
/** Of a million bytes each. */
const MEGABYTES = 1024;

interface Event {
  readonly id: string;
  readonly value: unknown;
  readonly partition: number;
}

interface RecordData {
  readonly partition: number;
  readonly value: { readonly json: unknown };
}

describe('topics over HTTP', () => {
  let service: ServiceProcess;

  beforeAll(async () => {
    const args = ['--parallelism', '1', '--receive-timeout-ms', '180000'];
    service = await ServiceProcess.start({ job: 'ui-shop', args });
  });

  afterAll(() => service.dispose());

  const ingest = (body: NonNullable<RequestInit['body']>, topic = 'revenue'): Promise<Response> =>
    service.fetch(`/topics/${topic}/records`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body,
      duplex: 'half',
    });

  /** Reads events until there are so many. */
  const read = async (query: string, count: number, headers: Record<string, string> = {}): Promise<Event[]> => {
    const abort = new AbortController();
    const response = await service.fetch(`/topics/revenue/stream${query}`, { headers, signal: abort.signal });
    expect(response.status).toBe(200);
    const events: Event[] = [];
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const match = /^id: (.*)\nevent: record\ndata: (.*)$/.exec(text.slice(0, end));
        text = text.slice(end + 2);
        if (match === null) continue;
        const data = JSON.parse(match[2] ?? '') as RecordData;
        events.push({ id: match[1] ?? '', value: data.value.json, partition: data.partition });
      }
      if (events.length >= count) break;
    }
    abort.abort();
    return events.slice(0, count);
  };

  it('takes lines, and gives each of them once and in order to whoever comes back where it left', async () => {
    const lines = Array.from({ length: 200 }, (_, n) => JSON.stringify({ value: { n }, key: `key-${String(n % 10)}` }));
    const answer = await ingest(lines.join('\n'));
    expect([answer.status, await answer.json()]).toEqual([200, { appended: 200 }]);
    const first = await read('?from=earliest', 120);
    const rest = await read('', 80, { 'last-event-id': first.at(-1)?.id ?? '' });
    const seen = [...first, ...rest].map(({ value }) => (value as { n: number }).n);
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    for (let key = 0; key < 10; key++) {
      const ofKey = seen.filter((n) => n % 10 === key);
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
    }
  });

  it('takes a body of a gigabyte in flat memory', { timeout: 180_000 }, async () => {
    const line = `${JSON.stringify({ value: 'x'.repeat(1000), partition: 0 })}\n`;
    const chunk = Buffer.from(line.repeat(1000));
    const samples: number[] = [];
    let sent = 0;
    const body = new ReadableStream({
      pull: async (controller) => {
        if (sent++ === MEGABYTES) return controller.close();
        if (sent % 64 === 0) samples.push(await residentBytes());
        controller.enqueue(chunk);
      },
    });
    const answer = await ingest(body);
    expect(await answer.json()).toEqual({ appended: MEGABYTES * 1000 });
    // The heap finds its size in the first quarter; then nothing grows with what comes.
    const early = Math.max(...samples.slice(0, 4));
    const late = Math.max(...samples.slice(4));
    expect((late - early) / MIB).toBeLessThan(64);
  });

  const residentBytes = async (): Promise<number> => {
    const text = await (await service.fetch('/metrics')).text();
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
  };

  it.each([
    ['{"value":1}\n{"value"', 'Line 2 is no JSON; the records before it are appended.'],
    ['[1]', 'Line 1 is no object; the records before it are appended.'],
    ['{"key":"a"}', 'Line 1 has no value; the records before it are appended.'],
    ['{"value":1,"key":7}', 'Line 1 has a key that is no text; the records before it are appended.'],
    ['{"value":1,"partition":99}', 'Line 1 names a partition that is not there; the records before it are appended.'],
    ['{"value":1,"timestamp":-1}', 'Line 1 has a timestamp that is no time; the records before it are appended.'],
    ['x'.repeat(2_000_000), 'Line 1 is longer than 1048576 bytes; the records before it are appended.'],
  ])('says which line is wrong', async (body, detail) => {
    const answer = await ingest(body);
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'MILLRACE_REQUEST_INVALID', detail }]);
  });

  it('keeps what belongs to the gateway', async () => {
    expect((await ingest('{"value":1}', 'shop.requests.orders')).status).toBe(400);
    expect((await ingest('{"value":1}', 'no-such')).status).toBe(404);
    const text = await service.fetch('/topics/revenue/records', { method: 'POST', body: 'value' });
    expect(text.status).toBe(415);
  });

  it('decompresses nothing, so that a small body cannot become a large one', async () => {
    const bomb = gzipSync(`${JSON.stringify({ value: 'x'.repeat(100_000) })}\n`.repeat(100));
    const answer = await service.fetch('/topics/revenue/records', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
      body: bomb,
    });
    expect([answer.status, await answer.json()]).toMatchObject([415, { code: 'MILLRACE_MEDIA_TYPE_UNSUPPORTED' }]);
  });

  it.each(['nonsense', '0:999999999', '99:0', '1:-1'])(
    'refuses to go on behind an event that never was: %s',
    async (id) => {
      const response = await service.fetch('/topics/revenue/stream', { headers: { 'last-event-id': id } });
      expect(response.status).toBe(400);
    },
  );

  it('sends records as they come, and lets the process end while somebody listens', async () => {
    const coming = read('?from=latest', 1);
    // The stream begins at the end that it finds: records come until it has seen one.
    const timer = setInterval(() => void ingest('{"value":"late"}').catch(() => undefined), 20);
    const [event] = await coming;
    clearInterval(timer);
    expect(event?.value).toBe('late');
    const listening = await service.fetch('/topics/revenue/stream');
    expect((await service.stop()).code).toBe(0);
    await listening.text().catch(() => undefined);
  });
});
