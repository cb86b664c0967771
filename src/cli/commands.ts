import type { Commands } from './command.js';

/** In the order of `millrace --help`. */
export const commands: Commands = {
  dev: async () => (await import('./dev.js')).dev,
  init: async () => (await import('./init.js')).init,
  graph: async () => (await import('./graph.js')).graph,
  savepoint: async () => (await import('./savepoint.js')).savepoint,
  rescale: async () => (await import('./rescale.js')).rescale,
  topics: async () => (await import('./topics.js')).topics,
  state: async () => (await import('./state.js')).state,
  replay: async () => (await import('./replay.js')).replay,
  chaos: async () => (await import('./chaos.js')).chaos,
  top: async () => (await import('./top.js')).top,
  completion: async () => (await import('./completion.js')).completion,
};
