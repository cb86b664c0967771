import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';

/** Lets timers, I/O and promises of this thread run. */
export { nextTurnOfEventLoop };

/** Waits for a promise that may never settle, for so many turns of the event loop at most. */
export async function settledWithin(promise: Promise<unknown>, turnsMax: number): Promise<void> {
  await Promise.race([Promise.allSettled([promise]), turnsOfEventLoop(turnsMax)]);
}

async function turnsOfEventLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurnOfEventLoop();
}
