import { ProblemError } from '../problem.js';

/** Reads the query of admin routes: what is wrong gets 400 and is named. */

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

const DECIMAL = /^-?\d{1,16}$/;

export interface IntegerBounds {
  readonly least: number;
  readonly most: number;
  readonly byDefault: number;
}

/** @throws ProblemError `MILLRACE_REQUEST_INVALID` */
export function integerParameter(query: Query, name: string, { least, most, byDefault }: IntegerBounds): number {
  const written = query[name];
  if (written === undefined) return byDefault;
  const value = typeof written === 'string' && DECIMAL.test(written) ? Number(written) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw invalidParameter(name, `must be an integer from ${least} to ${most}`);
}

/** @throws ProblemError `MILLRACE_REQUEST_INVALID` */
export function textParameter(query: Query, name: string): string | null {
  const written = query[name];
  if (written === undefined || typeof written === 'string') return written ?? null;
  throw invalidParameter(name, 'must be given once');
}

/** The names in a list with commas; `null` when there is none. */
export function namesParameter(query: Query, name: string): readonly string[] | null {
  return textParameter(query, name)?.split(',') ?? null;
}

export function invalidParameter(name: string, message: string): ProblemError {
  return new ProblemError({
    code: 'MILLRACE_REQUEST_INVALID',
    detail: 'A parameter of the query is not valid.',
    errors: [{ pointer: `/${name}`, message }],
  });
}
