import type { FastifySchema } from 'fastify';

import { problemAnswer } from '../problem-schema.js';
import { object, text } from './json-schemas.js';
import type { Schema } from './json-schemas.js';

/** How a route of the admin API is documented. */
export interface AdminRouteText {
  readonly tag: 'jobs' | 'topics' | 'requests' | 'workers';
  readonly summary: string;
  /** Of the answer with status 200, or `status`. */
  readonly answer: Schema;
  /** Of the answer when all goes well. @defaultValue 200 */
  readonly status?: number;
  /** Names of the path's parameters. */
  readonly params?: readonly string[];
  readonly query?: Schema;
  readonly body?: Schema;
}

/** The schema of a route, for the OpenAPI document: nothing is validated or serialised by it. */
export function adminSchema({
  tag,
  summary,
  answer,
  status = 200,
  params,
  query,
  body,
}: AdminRouteText): FastifySchema {
  return {
    tags: [tag],
    summary,
    security: [{}, { bearer: [] }],
    ...(params === undefined ? {} : { params: object(Object.fromEntries(params.map((name) => [name, text]))) }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    response: {
      [status]: { description: 'Done', content: { 'application/json': { schema: answer } } },
      '4xx': problemAnswer('The request cannot be served'),
      '5xx': problemAnswer('The job or the gateway could not answer'),
    },
  };
}
