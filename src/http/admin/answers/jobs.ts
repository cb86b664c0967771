import {
  anything,
  type Described,
  dictionary,
  flag,
  integer,
  list,
  nullable,
  object,
  oneOf,
  text,
} from '../json-schemas.js';

/** What the routes directly below `/jobs/:jobId` answer. */

export const jobConfigSchema = object({
  jid: text,
  name: text,
  'execution-config': object({
    'execution-mode': text,
    'job-parallelism': integer,
    'object-reuse-mode': flag,
    'user-config': dictionary(text),
  }),
});

export type JobException = Described<typeof exceptionSchema>;
const exceptionSchema = object({
  exceptionName: text,
  stacktrace: text,
  timestamp: integer,
  taskName: nullable(text),
  endpoint: nullable(text),
  taskManagerId: nullable(text),
  failureLabels: dictionary(text),
  concurrentExceptions: list(anything),
  kind: oneOf('failure', 'skipped'),
  code: nullable(text),
  message: text,
  hint: nullable(text),
  count: integer,
  details: dictionary(anything),
});

export type JobExceptions = Described<typeof exceptionsSchema>;
export const exceptionsSchema = object({
  'root-exception': nullable(text),
  timestamp: nullable(integer),
  'all-exceptions': list(anything),
  truncated: flag,
  exceptionHistory: object({ entries: list(exceptionSchema), truncated: flag }),
});

export type Restart = Described<typeof restartSchema>;
export const restartSchema = object({ attempt: integer, checkpointId: nullable(integer) });
