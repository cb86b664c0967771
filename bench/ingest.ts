import { residentMiB, startMillrace } from './lib/child.js';
import { atMost, type Row } from './lib/report.js';

/** In all; `BENCH_INGEST_MB=1024` for a gigabyte. */
const MEGABYTES = Number(process.env['BENCH_INGEST_MB'] ?? 256);
/** Per request: one has to arrive within `receiveTimeoutMs`. */
const MEGABYTES_PER_REQUEST = 128;
const SAMPLE_MS = 100;

/** Records into a topic over HTTP, as lines, and the memory that they take on their way. */
export async function run(): Promise<Row[]> {
  const server = await startMillrace(['--job', 'build/bench/jobs/topic-job.js', '--parallelism', '1']);
  try {
    const before = await residentMiB(server.pid);
    let most = before;
    const sampler = setInterval(() => {
      void residentMiB(server.pid).then((mib) => {
        most = Math.max(most, mib);
      });
    }, SAMPLE_MS);
    const startedAt = performance.now();
    for (let sent = 0; sent < MEGABYTES; sent += MEGABYTES_PER_REQUEST) {
      await send(server.url, Math.min(MEGABYTES_PER_REQUEST, MEGABYTES - sent));
    }
    const seconds = (performance.now() - startedAt) / 1000;
    clearInterval(sampler);
    const grown = most - before;
    return [
      { name: `ingest of ${String(MEGABYTES)} MB as lines`, value: MEGABYTES / seconds, unit: 'MB/s' },
      { name: 'memory that it took', value: grown, unit: 'MiB', target: atMost(grown, 200, '200 MiB') },
    ];
  } finally {
    await server.stop();
  }
}

async function send(url: string, megabytes: number): Promise<void> {
  const line = `${JSON.stringify({ value: { text: 'x'.repeat(970) }, key: 'some-key' })}\n`;
  const chunk = Buffer.from(line.repeat(Math.ceil(1_000_000 / line.length)));
  let left = megabytes;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (left-- > 0) controller.enqueue(chunk);
      else controller.close();
    },
  });
  const response = await fetch(`${url}/topics/lines/records`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body,
    duplex: 'half',
  });
  if (!response.ok) throw new Error(await response.text());
}
