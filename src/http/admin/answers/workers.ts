import { type Described, integer, list, nullable, number, object, text } from '../json-schemas.js';

/** What `/taskmanagers` and the routes below answer, and what the process says of its settings. */

export type Worker = Described<typeof workerSchema>;
export const workerSchema = object({
  id: text,
  path: text,
  slotsNumber: integer,
  freeSlots: integer,
  state: text,
  cpuLoad: nullable(number),
  runningRatio: number,
  memory: object({ heapUsed: number, heapTotal: number, heapLimit: number, external: number }),
  garbageCollection: object({ count: number, time: number }),
  loop: object({ turns: number, parks: number, longestTurn: number }),
  subtasks: list(object({ vertex: text, subtask: integer })),
});

export type Settings = Described<typeof settingsSchema>;
export const settingsSchema = list(object({ key: text, value: text }));
