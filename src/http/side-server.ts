import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

export type Forward = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/**
 * Hands requests to a server of their own that never listens, which is built for the first of them and closed with `app`: who
 * asks for something else neither waits for its libraries to load nor meets its hooks.
 */
export function forwardTo(app: FastifyInstance, build: () => Promise<FastifyInstance>): Forward {
  let building: Promise<FastifyInstance> | null = null;
  app.addHook('onClose', async () => {
    const server = await building?.catch(() => null);
    await server?.close();
  });
  return async (request, reply) => {
    building ??= build().catch((error: unknown) => {
      building = null;
      throw error;
    });
    const server = await building;
    reply.hijack();
    server.routing(request.raw, reply.raw);
    return reply;
  };
}
