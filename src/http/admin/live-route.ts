import type { ServerResponse } from 'node:http';

import type { FastifyInstance } from 'fastify';

import { ProblemError } from '../problem.js';
import { requireJob } from './admin-context.js';
import type { AdminContext, JobParams } from './admin-context.js';
import { snapshotSchema } from './answers/live.js';
import { takeSnapshot } from './live-snapshot.js';
import type { RequestCount } from './live-snapshot.js';

const INTERVAL_MS = 1000;
/** Dashboards at one time; each costs a copy of the snapshot a second. */
const WATCHERS_MAX = 32;
/** A watcher that has not taken this much misses snapshots until it has. */
const UNSENT_BYTES_MAX = 256 * 1024;

/**
 * `GET /jobs/:jobId/live`: a snapshot of everything that moves, once a second, as server-sent events. It is put together
 * once for all who watch, and not at all when nobody does.
 */
export function addLiveRoute(app: FastifyInstance, context: AdminContext): void {
  const feed = new LiveFeed(context);
  // Before connections are waited for: this one would never be idle.
  app.addHook('preClose', (done) => {
    feed.close();
    done();
  });
  app.get<{ Params: JobParams }>(
    '/jobs/:jobId/live',
    {
      schema: {
        tags: ['jobs'],
        summary: 'Everything that moves, once a second, as server-sent events',
        params: { type: 'object', properties: { jobId: { type: 'string' } }, required: ['jobId'] },
        response: {
          200: {
            description: 'Events `snapshot`, whose data is this',
            content: { 'text/event-stream': { schema: snapshotSchema } },
          },
        },
      },
    },
    (request, reply) => {
      requireJob(context, request.params);
      if (feed.isFull) throw new ProblemError({ code: 'MILLRACE_BACKPRESSURE', detail: 'Too many dashboards watch.' });
      reply.hijack();
      feed.add(reply.raw);
    },
  );
}

class LiveFeed {
  readonly #context: AdminContext;
  readonly #watchers = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | null = null;
  #before: RequestCount | null = null;
  #isTaking = false;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  get isFull(): boolean {
    return this.#watchers.size >= WATCHERS_MAX;
  }

  add(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.on('close', () => this.#remove(response));
    this.#watchers.add(response);
    this.#timer ??= setInterval(() => void this.#send(), INTERVAL_MS).unref();
    void this.#send();
  }

  /** Ends what is being watched, so that the gateway can close. */
  close(): void {
    for (const response of this.#watchers) response.end();
  }

  #remove(response: ServerResponse): void {
    this.#watchers.delete(response);
    if (this.#watchers.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#before = null;
  }

  async #send(): Promise<void> {
    if (this.#isTaking) return;
    this.#isTaking = true;
    try {
      const { snapshot, counted } = await takeSnapshot(this.#context, this.#before);
      this.#before = counted;
      const event = `event: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`;
      for (const response of this.#watchers) {
        if (response.writableLength < UNSENT_BYTES_MAX) response.write(event);
      }
    } catch {
      // The job is being taken down or built up: the next snapshot tells.
      for (const response of this.#watchers) response.write(': no snapshot\n\n');
    } finally {
      this.#isTaking = false;
    }
  }
}
