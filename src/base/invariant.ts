import { MillraceError } from './errors.js';

/**
 * Asserts what must hold whatever the input: a failure is a defect of Millrace, never of its user. Stays on in production.
 *
 * @param message a constant: a template literal would be built on every call.
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', message);
}

/** The end of an exhaustive `switch`: compiles only when every case was handled. */
export function unreachable(value: never, what: string): never {
  throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', `${what} has an unknown case`, { details: { value } });
}
