import type { FastifyInstance, FastifySchema } from 'fastify';

import type { JobControl, RequestRoute } from '../main/job-control.js';
import { IDEMPOTENCY_KEY_HEADER, IDEMPOTENCY_KEY_LENGTH_MAX } from './idempotency-key-header.js';
import { placeSchema } from './openapi-schema.js';
import type { PlacedSchema } from './openapi-schema.js';
import { problemAnswer } from './problem-schema.js';
import { sendProblem } from './send-problem.js';

/**
 * The OpenAPI document and the page that shows it, in a small server of their own that never listens: it declares the same
 * routes without handlers. Their libraries are loaded when someone first asks, and none of their hooks comes near a request.
 */

/** A route as it is documented. */
export interface DocumentedRoute {
  readonly method: string;
  readonly path: string;
  readonly schema: FastifySchema;
}

export interface DocumentationOptions {
  readonly title: string;
  readonly version: string;
  readonly control: JobControl;
  /** The gateway's own routes. */
  readonly ownRoutes: readonly DocumentedRoute[];
  /** Names a request that it answers. */
  readonly nextId: () => string;
}

/** Where the document lies: one of the gateway's own routes. */
export const DOCUMENT_PATH = '/openapi.json';
/** Where the page lies. */
export const DOCS_PATH = '/docs';

/** The page loads nothing from elsewhere, and no one may frame it. */
const PAGE_POLICY = {
  'default-src': "'self'",
  'img-src': ["'self'", 'data:'],
  'style-src': ["'self'", "'unsafe-inline'"],
  'object-src': "'none'",
  'base-uri': "'self'",
  'frame-ancestors': "'none'",
};

/** Builds the server. Answers `/openapi.json`, and with `page` also `/docs` and below. */
export async function buildDocumentation(
  options: DocumentationOptions,
  { page }: { readonly page: boolean },
): Promise<FastifyInstance> {
  const [{ fastify }, { default: swagger }] = await Promise.all([import('fastify'), import('@fastify/swagger')]);
  const app = fastify({ genReqId: options.nextId, routerOptions: { ignoreTrailingSlash: true } });
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, { code: 'MILLRACE_REQUEST_NOT_FOUND' }));
  // Nothing is ever validated or serialised here: the schemas are only read.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: options.title, version: options.version },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      tags: [
        { name: 'job', description: 'Routes of the job' },
        { name: 'requests', description: 'Answers of asynchronous and late requests' },
        { name: 'jobs', description: 'The job and its graph' },
        { name: 'topics', description: 'Topics and their records' },
        { name: 'workers', description: 'Worker threads and settings' },
        { name: 'operations', description: 'Health and metrics' },
      ],
    },
  });
  const schemas = new SchemaShelf();
  let finished: object | null = null;
  const document = (): object => (finished ??= schemas.fill(app.swagger()));
  if (page) await addPage(app, document);
  for (const route of options.control.routes()) declare(app, documentJobRoute(route, schemas), document);
  for (const route of options.ownRoutes) declare(app, route, document);
  await app.ready();
  return app;
}

async function addPage(app: FastifyInstance, document: () => object): Promise<void> {
  const { default: swaggerUi } = await import('@fastify/swagger-ui');
  await app.register(swaggerUi, {
    routePrefix: DOCS_PATH,
    staticCSP: PAGE_POLICY,
    transformSpecification: () => document() as Record<string, unknown>,
    transformSpecificationClone: false,
    // Not the badge that would ask a validator on the internet.
    uiConfig: { validatorUrl: null, docExpansion: 'list' },
  });
}

function declare(app: FastifyInstance, route: DocumentedRoute, document: () => object): void {
  const handler = (): unknown => (route.path === DOCUMENT_PATH ? document() : undefined);
  app.route({ method: route.method, url: route.path, schema: route.schema, handler });
}

function documentJobRoute(route: RequestRoute, schemas: SchemaShelf): DocumentedRoute {
  const names = route.path.split('/').filter((segment) => segment.startsWith(':'));
  const params = Object.fromEntries(names.map((name) => [name.slice(1), { type: 'string' }]));
  const answer = { 'application/json': { schema: schemas.put(route.responseSchema ?? {}) } };
  const schema: FastifySchema = {
    tags: ['job'],
    ...(route.summary === null ? {} : { summary: route.summary }),
    ...(names.length === 0 ? {} : { params: { type: 'object', properties: params, required: Object.keys(params) } }),
    ...(route.method === 'GET' ? {} : { headers: idempotencyHeader(route.requiresIdempotencyKey) }),
    ...(route.querySchema === null ? {} : { querystring: placeSchema(route.querySchema, '').schema }),
    ...(hasBody(route.method) ? { body: schemas.put(route.bodySchema ?? {}) } : {}),
    response: {
      200: { description: 'The answer of the job', content: answer },
      '4xx': problemAnswer('The request cannot be served'),
      '5xx': problemAnswer('The job or the gateway could not answer'),
    },
  };
  return { method: route.method, path: route.path, schema };
}

function idempotencyHeader(isRequired: boolean): object {
  const description =
    'Makes it safe to send the request again: it runs once, and each repetition gets the same answer.';
  const properties = {
    [IDEMPOTENCY_KEY_HEADER]: { type: 'string', maxLength: IDEMPOTENCY_KEY_LENGTH_MAX, description },
  };
  return { type: 'object', properties, required: isRequired ? [IDEMPOTENCY_KEY_HEADER] : [] };
}

function hasBody(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'DELETE';
}

/**
 * The job's schemas while the document is made. The document's maker rewrites the references of every schema that it sees, and
 * gets those of recursive ones wrong; so it sees a mark in place of each, and the marks are filled in at the end.
 */
class SchemaShelf {
  readonly #placed: PlacedSchema[] = [];

  /** @returns the mark to put in the schema's place. */
  put(schema: object): object {
    const index = this.#placed.push(placeSchema(schema, componentName(this.#placed.length))) - 1;
    return { [MARK]: index };
  }

  /** Puts the schemas where their marks are. */
  fill(document: object): object {
    const filled = this.#replace(document) as { components?: { schemas?: Record<string, object> } };
    const schemas: Record<string, object> = { ...filled.components?.schemas };
    for (const [index, { component }] of this.#placed.entries()) {
      if (component !== null) schemas[componentName(index)] = component;
    }
    return { ...filled, components: { ...filled.components, schemas } };
  }

  #replace(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#replace(item));
    if (typeof value !== 'object' || value === null) return value;
    if (MARK in value) return this.#placed[Number(value[MARK])]?.schema;
    return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, this.#replace(child)]));
  }
}

const MARK = 'x-millrace-schema';

function componentName(index: number): string {
  return `schema-${index}`;
}
