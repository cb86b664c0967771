import type { FastifyInstance } from 'fastify';

/** Where the text of `GET /metrics` comes from. */
export interface MetricsText {
  readonly contentType: string;
  render(): Promise<string>;
}

/** `GET /metrics` in the Prometheus text format. */
export function addMetricsRoute(app: FastifyInstance, metrics: MetricsText): void {
  app.get(
    '/metrics',
    { schema: { summary: 'Metrics for Prometheus', tags: ['operations'] } },
    async (_request, reply) => {
      const text = await metrics.render();
      return reply.type(metrics.contentType).send(text);
    },
  );
}
