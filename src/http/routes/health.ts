import type { FastifyInstance } from 'fastify';

import type { Readiness } from '../../main/job-control.js';

/** `GET /healthz`: the process answers. `GET /readyz`: requests can be served; if not, why not. */
export function addHealthRoutes(app: FastifyInstance, readiness: () => Readiness): void {
  app.get(
    '/healthz',
    { schema: { summary: 'Whether the process is alive', tags: ['operations'] } },
    (_request, reply) => {
      reply.header('cache-control', 'no-store').send({ status: 'alive' });
    },
  );

  app.get(
    '/readyz',
    { schema: { summary: 'Whether requests can be served', tags: ['operations'] } },
    (_request, reply) => {
      const { ready, reasons } = readiness();
      reply.code(ready ? 200 : 503).header('cache-control', 'no-store');
      reply.send(ready ? { status: 'ready' } : { status: 'not ready', reasons });
    },
  );
}
