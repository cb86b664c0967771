import { fileURLToPath } from 'node:url';

import type { FastifyInstance } from 'fastify';

import { sendProblem } from '../send-problem.js';
import { forwardTo } from '../side-server.js';

/** Where the build puts the web UI: beside the compiled code. */
const FILES = fileURLToPath(new URL('../../ui/', import.meta.url));

/** Scripts and styles are files of this server; nothing is inline, nothing comes from elsewhere, no one may frame the page. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The names of these files change with their contents. */
const HASHED = /\/assets\//;

/** `/ui/`: the web UI. The page itself is for everybody; what it shows, it gets from the admin API, which is not. */
export function addUiRoutes(app: FastifyInstance, nextId: () => string): void {
  const forward = forwardTo(app, () => buildFileServer(nextId));
  const schema = { hide: true };
  app.get('/ui', { schema }, (_request, reply) => reply.redirect('/ui/', 308));
  app.get('/ui/*', { schema }, forward);
}

async function buildFileServer(nextId: () => string): Promise<FastifyInstance> {
  const [{ fastify }, { default: fastifyStatic }] = await Promise.all([import('fastify'), import('@fastify/static')]);
  const server = fastify({ genReqId: nextId });
  server.setNotFoundHandler((_request, reply) => sendProblem(reply, { code: 'MILLRACE_REQUEST_NOT_FOUND' }));
  await server.register(fastifyStatic, {
    root: FILES,
    prefix: '/ui/',
    cacheControl: false,
    dotfiles: 'deny',
    setHeaders: (reply, path) => {
      reply.header('content-security-policy', PAGE_POLICY);
      reply.header('x-content-type-options', 'nosniff');
      reply.header('referrer-policy', 'no-referrer');
      reply.header('cache-control', HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  await server.ready();
  return server;
}
