import { isJobDefinition, type JobDefinition } from '../api/job.js';
import { MillraceError } from '../base/errors.js';

/**
 * Imports a job module and checks what it exports. Main and every worker load the same module, each for itself.
 *
 * @param url a `file:` URL
 * @throws MillraceError `MILLRACE_JOB_LOAD_FAILED` when it cannot be imported or exports no job
 */
export async function loadJobModule(url: string): Promise<JobDefinition> {
  let exported: { default?: unknown };
  try {
    exported = (await import(url)) as { default?: unknown };
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new MillraceError('MILLRACE_JOB_LOAD_FAILED', `job module ${url} cannot be loaded: ${text}`, {
      details: { module: url },
      hint: 'Run the module with node alone to see the whole error.',
      cause,
    });
  }
  const job = exported.default;
  if (!isJobDefinition(job)) {
    throw new MillraceError('MILLRACE_JOB_LOAD_FAILED', `job module ${url} has no job as its default export`, {
      details: { module: url },
      hint: 'End the module with: export default defineJob("name", (env) => { … });',
    });
  }
  return job;
}
