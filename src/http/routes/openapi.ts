import type { FastifyInstance } from 'fastify';

import { buildDocumentation, DOCS_PATH, DOCUMENT_PATH } from '../openapi-document.js';
import type { DocumentationOptions } from '../openapi-document.js';
import { forwardTo } from '../side-server.js';

/**
 * `GET /openapi.json`, and `GET /docs` with a page that shows it and works without the internet. Each has a server of its own,
 * so that who wants the document does not wait for the page's libraries.
 */
export function addOpenApiRoutes(app: FastifyInstance, options: DocumentationOptions, withPage: boolean): void {
  const schema = { summary: 'This document', tags: ['operations'] };
  app.get(
    DOCUMENT_PATH,
    { schema },
    forwardTo(app, () => buildDocumentation(options, { page: false })),
  );
  if (!withPage) return;
  const toPage = forwardTo(app, () => buildDocumentation(options, { page: true }));
  app.get(DOCS_PATH, { schema: { hide: true } }, toPage);
  app.get(`${DOCS_PATH}/*`, { schema: { hide: true } }, toPage);
}
