import { anything, type Described, list, object, text } from '../json-schemas.js';

/** What `/jobs/:jobId/state/:uid` and the routes below answer. */

export type StateNames = Described<typeof stateNamesSchema>;
export const stateNamesSchema = object({ uid: text, states: list(text) });

export type StateValue = Described<typeof stateSchema>;
export const stateSchema = object({ uid: text, name: text, key: text, value: anything });
