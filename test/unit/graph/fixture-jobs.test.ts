import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isJobDefinition, type JobDefinition } from '../../../src/api/job.js';
import { MillraceError } from '../../../src/base/errors.js';
import { createExecutionPlan } from '../../../src/graph/create-execution-plan.js';
import { buildStreamGraph } from '../../../src/graph/stream-graph.js';

const folder = new URL('../../fixtures/jobs/', import.meta.url);

/** Fixtures that are wrong before there is a graph. The rest are wrong, or demanding, only when they run. */
const NOT_BUILT: Readonly<Record<string, string>> = {
  'throws-on-load.mjs': 'this job module cannot be loaded',
  'no-job.mjs': 'no job',
  'throws-while-building.mjs': 'the function that builds job "throws-while-building" threw',
  'asynchronous-build.mjs': 'the function that builds job "asynchronous-build" is asynchronous',
  'invalid-route.mjs': 'the route "/without-a-method" does not begin with one of GET, POST, PUT, PATCH, DELETE',
};

async function planFixture(name: string) {
  const module = (await import(fileURLToPath(new URL(name, folder)))) as { default: unknown };
  if (!isJobDefinition(module.default)) throw new Error('no job');
  const job: JobDefinition = module.default;
  return createExecutionPlan(buildStreamGraph(job.build()), { parallelism: 2, workerCount: 2, shardCount: 16 });
}

describe('the job modules of the runtime tests', () => {
  it.each(readdirSync(folder).filter((name) => name.endsWith('.mjs')))(
    '%s is wrong where it says, and nowhere before',
    async (name) => {
      const expected = NOT_BUILT[name];
      if (expected === undefined) {
        const plan = await planFixture(name);
        expect(plan.jobName).toBe(
          name
            .replace('.mjs', '')
            .replace(/^ui-/, '')
            .replace('poison-record', 'poison')
            .replace(/^poison$/, 'poison-reject')
            .replace(/^deadly-record.*/, 'deadly'),
        );
        expect(plan.warnings).toEqual([]);
        return;
      }
      const error: unknown = await planFixture(name).catch((reason: unknown) => reason);
      expect((error as Error).message).toBe(expected);
      if (expected.includes('job "') || expected.includes('route')) {
        expect(MillraceError.is(error, 'MILLRACE_JOB_INVALID')).toBe(true);
      }
    },
  );
});
