import { type Described, object, objectWith, oneOf, text } from '../json-schemas.js';

/** What the routes for savepoints answer that do something and tell later how it went. */

export type OperationBegun = Described<typeof operationBegunSchema>;
export const operationBegunSchema = object({ 'request-id': text });

/** `operation` is there once it is over: with where the savepoint lies, or with why there is none. */
export type OperationProgress = Described<typeof operationProgressSchema>;
export const operationProgressSchema = objectWith(
  { status: object({ id: oneOf('IN_PROGRESS', 'COMPLETED') }) },
  { operation: objectWith({}, { location: text, 'failure-cause': object({ class: text, 'stack-trace': text }) }) },
);
