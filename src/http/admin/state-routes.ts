import type { FastifyInstance } from 'fastify';

import { requireJob, notFound } from './admin-context.js';
import type { AdminContext, JobParams } from './admin-context.js';
import { adminSchema } from './admin-schema.js';
import { anything, object, text } from './json-schemas.js';

interface StateParams extends JobParams {
  readonly uid: string;
  readonly name: string;
  readonly key: string;
}

const PATH = '/jobs/:jobId/state/:uid/:name/:key';
const stateSchema = object({ uid: text, name: text, key: text, value: anything });

/** Keyed state, read where it is owned: the value of one key as the operator itself would see it now. */
export function addStateRoutes(app: FastifyInstance, context: AdminContext): void {
  const params = ['jobId', 'uid', 'name', 'key'];
  const summary = "The state of one key of an operator, from the key's owner";
  const schema = adminSchema({ tag: 'jobs', summary, answer: stateSchema, params });
  app.get<{ Params: StateParams }>(PATH, { schema }, async (request) => {
    requireJob(context, request.params);
    const { uid, name, key } = request.params;
    const reading = await context.admin.readState({ uid, state: name, key });
    switch (reading.kind) {
      case 'value':
        return { uid, name, key, value: JSON.parse(reading.json) as unknown };
      case 'no-value':
        throw notFound(`State "${name}" of operator "${uid}" holds nothing for this key.`);
      case 'unknown-state':
        throw notFound(`Operator "${uid}" has no state "${name}". It has: ${listed(reading.known)}.`);
      case 'unknown-operator':
        throw notFound(`No operator with the uid "${uid}" keeps state. Those that do: ${listed(reading.known)}.`);
    }
  });
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => `"${name}"`).join(', ');
}
