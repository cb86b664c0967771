import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { buildDocumentation, DOCS_PATH, DOCUMENT_PATH } from '../openapi-document.js';
import type { DocumentationOptions } from '../openapi-document.js';

/** `GET /openapi.json`, and `GET /docs` with a page that shows it and works without the internet. */
export function addOpenApiRoutes(app: FastifyInstance, options: () => DocumentationOptions): void {
  let documentation: Promise<FastifyInstance> | null = null;

  /** Hands the request to the server of the documentation, which is built for the first one. */
  const forward = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    documentation ??= buildDocumentation(options()).catch((error: unknown) => {
      documentation = null;
      throw error;
    });
    const server = await documentation;
    reply.hijack();
    server.routing(request.raw, reply.raw);
    return reply;
  };

  const schema = { summary: 'This document', tags: ['operations'] };
  app.get(DOCUMENT_PATH, { schema }, forward);
  if (options().page) {
    app.get(DOCS_PATH, { schema: { hide: true } }, forward);
    app.get(`${DOCS_PATH}/*`, { schema: { hide: true } }, forward);
  }
  app.addHook('onClose', async () => {
    const server = await documentation?.catch(() => null);
    await server?.close();
  });
}
