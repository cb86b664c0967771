import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as a collector gets it. */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: OtlpSpan['attributes'] };
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: readonly OtlpSpan[] }[];
  }[];
}

/** A collector of OTLP over HTTP, in JSON, on a free port: takes what an exporter posts, and refuses anything else. */
export class OtlpCollector {
  readonly spans: OtlpSpan[] = [];
  readonly services = new Set<unknown>();
  /** What was not as OTLP asks for. */
  readonly faults: string[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const fault = this.#take(request.method, request.url, request.headers['content-type'], Buffer.concat(chunks));
        if (fault !== null) this.faults.push(fault);
        response.writeHead(fault === null ? 200 : 400, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/v1/traces`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(method = '', path = '', type = '', body: Buffer): string | null {
    if (method !== 'POST' || path !== '/v1/traces') return `${method} ${path}`;
    if (type !== 'application/json') return `content-type ${type}`;
    const { resourceSpans } = JSON.parse(body.toString('utf8')) as OtlpBody;
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const { key, value } of resource.attributes)
        if (key === 'service.name') this.services.add(value['stringValue']);
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          if (!isSpan(span)) return `span ${JSON.stringify(span)}`;
          this.spans.push(span);
        }
      }
    }
    return null;
  }
}

/** Ids in hexadecimal, times in nanoseconds as text: the JSON form of OTLP. */
function isSpan({ traceId, spanId, parentSpanId, startTimeUnixNano, endTimeUnixNano }: OtlpSpan): boolean {
  return (
    /^[0-9a-f]{32}$/.test(traceId) &&
    /^[0-9a-f]{16}$/.test(spanId) &&
    (parentSpanId === undefined || /^[0-9a-f]{16}$/.test(parentSpanId)) &&
    /^\d{19}$/.test(startTimeUnixNano) &&
    BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano)
  );
}
