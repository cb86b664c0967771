import { describe, expect, it } from 'vitest';
import { OtlpCollector } from '../../helpers/otlp-collector.js';
import { type ServiceProcess, withService } from '../../helpers/service-process.js';

/** Generous: the machine may be busy. */
const WAIT = { timeout: 60_000 };
const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly kind: string;
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly status: number | null;
  readonly error: string | null;
  readonly place: { readonly operator: string; readonly worker: number; readonly attempt: number } | null;
  readonly stateReads: Readonly<Record<string, number>>;
  readonly stateWrites: Readonly<Record<string, number>>;
  readonly emitted: number;
}

interface Trace {
  readonly traceId: string;
  readonly status: number | null;
  readonly spans: readonly Span[];
}

const args = (...more: readonly string[]): string[] => ['--parallelism', '2', '--log-level', 'warn', ...more];

async function tracesPath(service: ServiceProcess): Promise<string> {
  const { jobs } = (await (await service.fetch('/jobs')).json()) as { jobs: { id: string }[] };
  return `/jobs/${jobs[0]?.id ?? ''}/traces`;
}

async function traceCount(service: ServiceProcess): Promise<number> {
  const { traces } = (await (await service.fetch(await tracesPath(service))).json()) as { traces: unknown[] };
  return traces.length;
}

/** Sends an order, and waits until its trace has these steps. */
async function traced(
  service: ServiceProcess,
  order: { body: object; headers?: Readonly<Record<string, string>> },
  steps: readonly string[],
): Promise<Trace> {
  const response = await service.post('/orders/ada', order.body, order.headers);
  const path = `${await tracesPath(service)}/${response.headers.get('x-request-id') ?? ''}`;
  let trace: Trace = { traceId: '', status: null, spans: [] };
  await expect
    .poll(async () => {
      const answer = await service.fetch(path);
      if (answer.status === 200) trace = (await answer.json()) as Trace;
      return trace.spans.map(stepOf).toSorted();
    }, WAIT)
    .toEqual(steps.toSorted());
  return trace;
}

function stepOf({ kind, place }: Span): string {
  return kind === 'operator' ? (place?.operator ?? '') : kind;
}

/** The steps from the request to this one, by the spans' parents. */
function wayTo(trace: Trace, step: string): string[] {
  const byId = new Map(trace.spans.map((span) => [span.spanId, span]));
  const way: string[] = [];
  // Of an operator that emits later there are two spans: the later is the way of the record.
  let span = trace.spans.findLast((one) => stepOf(one) === step);
  while (span !== undefined) {
    way.unshift(stepOf(span));
    span = byId.get(span.parentId ?? '');
  }
  return way;
}

const ALL_STEPS = [
  'request',
  'append',
  'requests',
  'users',
  'look-up',
  'look-up',
  'items',
  'sold',
  'answer',
  'respond-sink-1',
  'reply',
];
/** Over two exchanges and an asynchronous operator, which passes the record on in a span of its own. */
const WAY = [
  'request',
  'append',
  'requests',
  'users',
  'look-up',
  'look-up',
  'items',
  'answer',
  'respond-sink-1',
  'reply',
];

const PATIENT = { timeout: 120_000 };

describe('a request that is traced', PATIENT, () => {
  it('is one trace, from the gateway over topic, operators and threads to the reply', async () => {
    await withService({ job: 'traced', args: args('--trace-sample', '1') }, async (service) => {
      const trace = await traced(service, { body: { item: 'a' }, headers: { traceparent: CALLER } }, ALL_STEPS);
      expect(wayTo(trace, 'reply')).toEqual(WAY);
      expect(wayTo(trace, 'sold')).toEqual([...WAY.slice(0, 7), 'sold']);
      expect(trace).toMatchObject({ traceId: CALLER.slice(3, 35), status: 200 });
      expect(new Set(trace.spans.map(({ traceId }) => traceId))).toEqual(new Set([trace.traceId]));
      expect(trace.spans.find(({ kind }) => kind === 'request')?.parentId).toBe(CALLER.slice(36, 52));
      for (const { startMs, durationMs } of trace.spans) {
        expect(Math.abs(startMs - Date.now())).toBeLessThan(120_000);
        expect(durationMs).toBeGreaterThanOrEqual(0);
      }
    });
  });

  it('says what each operator read, wrote and emitted, and how it failed', async () => {
    await withService({ job: 'traced', args: args('--trace-sample', '1') }, async (service) => {
      const trace = await traced(service, { body: { item: 'a' } }, ALL_STEPS);
      const step = (name: string): Span | undefined => trace.spans.find((span) => stepOf(span) === name);
      expect(step('users')).toMatchObject({ stateReads: { orders: 1 }, stateWrites: { orders: 1 }, emitted: 1 });
      expect(step('items')).toMatchObject({ stateReads: { buyers: 1 }, stateWrites: { buyers: 1 }, emitted: 1 });
      expect(step('answer')).toMatchObject({ stateReads: {}, stateWrites: {}, emitted: 1, error: null });
      expect(step('reply')).toMatchObject({ status: 200 });

      const failed = await traced(service, { body: { item: 'a', fails: true } }, [...ALL_STEPS.slice(0, 7), 'reply']);
      expect(failed.status).toBe(500);
      expect(failed.spans.find((span) => stepOf(span) === 'items')).toMatchObject({
        error: 'MILLRACE_USER_FUNCTION_FAILED',
        emitted: 0,
      });
      expect(wayTo(failed, 'reply')).toEqual([...WAY.slice(0, 6), 'reply']);
    });
  });

  it('goes on in the records that the job writes to topics', async () => {
    await withService({ job: 'traced', args: args('--trace-sample', '1') }, async (service) => {
      const trace = await traced(service, { body: { item: 'a' } }, ALL_STEPS);
      const spanOf = (name: string): string => trace.spans.find((span) => stepOf(span) === name)?.spanId ?? '';
      const { topics } = (await (await service.fetch('/topics')).json()) as {
        topics: { name: string; role: string }[];
      };
      const traceparents = async (role: string): Promise<(string | undefined)[]> => {
        const topic = topics.find((one) => one.role === role)?.name ?? '';
        const found = [];
        for (let partition = 0; partition < 16; partition++) {
          const answer = await service.fetch(`/topics/${topic}/records?partition=${String(partition)}`);
          if (answer.status !== 200) break;
          const { records } = (await answer.json()) as { records: { headers: Readonly<Record<string, string>> }[] };
          found.push(...records.map(({ headers }) => headers['traceparent']));
        }
        return found;
      };
      const contextOf = (step: string): string => `00-${trace.traceId}-${spanOf(step)}-01`;
      expect(await traceparents('requests')).toEqual([contextOf('append')]);
      expect(await traceparents('sink')).toEqual([contextOf('sold')]);
      expect(await traceparents('responses')).toEqual([contextOf('reply')]);
    });
  });
});

describe('which requests are traced', PATIENT, () => {
  it('is nobody by default, whatever callers send, but who may use the admin API and asks', async () => {
    await withService({ job: 'traced', args: args('--admin-token', 'secret') }, async (service) => {
      expect((await service.post('/orders/ada', { item: 'a' }, { traceparent: CALLER })).status).toBe(200);
      const foreign = { 'millrace-trace': '1', origin: 'http://elsewhere.example' };
      expect((await service.post('/orders/ada', { item: 'a' }, foreign)).status).toBe(200);
      expect((await service.post('/orders/ada', { item: 'a' }, { ...foreign, 'millrace-trace': 'guess' })).status).toBe(
        200,
      );
      // From this machine, and with the token from anywhere.
      const asked = await traced(service, { body: { item: 'a' }, headers: { 'millrace-trace': '1' } }, ALL_STEPS);
      expect(wayTo(asked, 'reply')).toEqual(WAY);
      await traced(service, { body: { item: 'a' }, headers: { ...foreign, 'millrace-trace': 'secret' } }, ALL_STEPS);
      expect(await traceCount(service)).toBe(2);
    });
  });

  it('is a share of all, of which the newest are kept', async () => {
    await withService({ job: 'traced', args: args('--trace-sample', '0.5') }, async (service) => {
      for (let index = 0; index < 64; index++) await service.post('/orders/ada', { item: 'a' });
      // Of 64 fair draws fewer than 4 or more than 60 come once in 10^14 runs.
      const count = await traceCount(service);
      expect(count).toBeGreaterThan(3);
      expect(count).toBeLessThan(61);
    });
  });
});

describe('an OpenTelemetry collector', PATIENT, () => {
  it('gets every span by OTLP over HTTP, with the same parents', async () => {
    const collector = await OtlpCollector.start();
    try {
      await withService(
        { job: 'traced', args: args('--trace-sample', '1', '--otlp-endpoint', collector.url) },
        async (service) => {
          const trace = await traced(service, { body: { item: 'a' }, headers: { traceparent: CALLER } }, ALL_STEPS);
          await expect.poll(() => collector.spans.length, WAIT).toBe(ALL_STEPS.length);
          expect(collector.faults).toEqual([]);
          expect([...collector.services]).toEqual(['traced']);
          const links = collector.spans.map(({ traceId, spanId, parentSpanId, name }) => {
            return { traceId, spanId, parentId: parentSpanId ?? null, name };
          });
          const expected = trace.spans.map(({ traceId, spanId, parentId, name }) => {
            return { traceId, spanId, parentId, name };
          });
          expect(links.toSorted(bySpan)).toEqual(expected.toSorted(bySpan));
          const users = collector.spans.find(({ name }) => name === 'Users');
          expect(users?.attributes).toContainEqual({ key: 'millrace.state.orders.reads', value: { intValue: 1 } });
        },
      );
    } finally {
      await collector.close();
    }
  });

  it('gets at the shutdown what it has not got before, and does not hold up a process that it does not answer', async () => {
    const collector = await OtlpCollector.start();
    const { url } = collector;
    const options = { job: 'traced', args: args('--trace-sample', '1', '--otlp-endpoint', url) };
    await withService(options, async (service) => {
      await traced(service, { body: { item: 'a' } }, ALL_STEPS);
      expect((await service.stop()).code).toBe(0);
      expect(collector.spans).toHaveLength(ALL_STEPS.length);
    });
    await collector.close();
    await withService(options, async (service) => {
      await traced(service, { body: { item: 'a' } }, ALL_STEPS);
      expect((await service.stop()).code).toBe(0);
    });
  });
});

function bySpan(a: { readonly spanId: string }, b: { readonly spanId: string }): number {
  return a.spanId.localeCompare(b.spanId);
}
