import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';

/** Lets timers, I/O and promises of this thread run. */
export { nextTurnOfEventLoop };

/** Waits for a promise that may never settle, for so many turns of the event loop at most. */
export async function settledWithin(promise: Promise<unknown>, turnsMax: number): Promise<void> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  for (let turn = 0; turn < turnsMax && !isSettled; turn++) await nextTurnOfEventLoop();
}
