import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import { loadJobModule } from '../../../src/graph/job-module.js';
import { projectPath } from '../../helpers/project-files.js';

function fixture(name: string): string {
  return pathToFileURL(projectPath(`test/fixtures/jobs/${name}`)).href;
}

async function failureOf(url: string): Promise<MillraceError> {
  const error: unknown = await loadJobModule(url).catch((reason: unknown) => reason);
  if (MillraceError.is(error, 'MILLRACE_JOB_LOAD_FAILED')) return error;
  throw error;
}

describe('loadJobModule', () => {
  it('gives the job that a module exports, without building it', async () => {
    expect((await loadJobModule(fixture('throws-while-building.mjs'))).name).toBe('throws-while-building');
  });

  it('says what a module threw, and keeps the cause', async () => {
    const error = await failureOf(fixture('throws-on-load.mjs'));
    expect(error.message).toMatch(/throws-on-load\.mjs cannot be loaded: this job module cannot be loaded$/);
    expect(error.cause).toBeInstanceOf(Error);
  });

  it('says that a module is not there, or is no job', async () => {
    expect((await failureOf(fixture('missing.mjs'))).message).toContain('missing.mjs cannot be loaded');
    expect((await failureOf(fixture('no-job.mjs'))).message).toMatch(/no-job\.mjs has no job as its default export$/);
  });
});
