/** Lets everything happen that has been asked of the event loop, and what follows from it in as many further turns. */
export async function turnsOfEventLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
