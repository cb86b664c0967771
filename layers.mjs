/**
 * The layers of `src/`, as data. `npm run layers` turns this table into dependency-cruiser rules; docs/architecture.md draws it.
 *
 * A folder imports itself and the folders beside it, nothing else. Type-only imports count. A name that ends in `.ts` is a
 * single door into a folder that is otherwise closed.
 */

/** @type {Readonly<Record<string, { readonly mayImport: readonly string[], readonly thread: 'any' | 'main' | 'worker' }>>} */
export const layers = {
  base: { mayImport: [], thread: 'any' },
  api: { mayImport: ['base'], thread: 'any' },
  'shared-memory': { mayImport: ['base'], thread: 'any' },
  // What crosses a thread, and how it is laid into a channel: docs/decisions/0002-layers-as-data.md.
  protocol: { mayImport: ['base', 'api', 'shared-memory'], thread: 'any' },
  metrics: { mayImport: ['base', 'shared-memory'], thread: 'any' },
  storage: { mayImport: ['base'], thread: 'any' },
  state: { mayImport: ['base', 'api', 'protocol', 'storage'], thread: 'worker' },
  operators: { mayImport: ['base', 'api'], thread: 'worker' },
  graph: { mayImport: ['base', 'api', 'operators'], thread: 'any' },
  // A package entry of its own, made of what any job author has.
  cep: { mayImport: ['base', 'api'], thread: 'any' },
  checkpoint: { mayImport: ['base', 'protocol', 'storage'], thread: 'any' },
  workers: {
    mayImport: [
      'base',
      'api',
      'protocol',
      'shared-memory',
      'metrics',
      'storage',
      'state',
      'operators',
      'graph',
      'checkpoint',
    ],
    thread: 'worker',
  },
  connectors: { mayImport: ['base', 'api', 'storage'], thread: 'main' },
  main: {
    mayImport: [
      'base',
      'api',
      'protocol',
      'shared-memory',
      'metrics',
      'graph',
      'checkpoint',
      'connectors',
      'state/state-reader.ts',
    ],
    thread: 'main',
  },
  // Runs what workers run, and does for it what main does, in one thread: above both.
  replay: {
    mayImport: [
      'base',
      'api',
      'protocol',
      'shared-memory',
      'storage',
      'graph',
      'checkpoint',
      'connectors',
      'workers',
      'main',
    ],
    thread: 'main',
  },
  // Commands other than the process itself: they read a job module, or talk to a running process over HTTP.
  cli: {
    mayImport: ['base', 'api', 'graph', 'workers/savepoint-check.ts', 'replay/replay.ts', 'testing/chaos-checker.ts'],
    thread: 'main',
  },
  http: {
    mayImport: ['base', 'api', 'metrics', 'main/job-control.ts', 'main/job-admin.ts', 'main/savepoint-control.ts'],
    thread: 'main',
  },
  testing: {
    mayImport: [
      'base',
      'api',
      'protocol',
      'shared-memory',
      'metrics',
      'storage',
      'state',
      'operators',
      'graph',
      'checkpoint',
      'workers',
    ],
    thread: 'any',
  },
};

/** Files beside the folders. They wire the parts and may import anything. */
export const entryFiles = ['main.ts', 'index.ts'];

/** Where a program, a thread or a package user comes in: every other module must be reachable from one of these. */
export const entryPoints = [
  'main.ts',
  'index.ts',
  'workers/entry.ts',
  'testing/index.ts',
  'cep/index.ts',
  'cli/chaos/worker-death.ts',
  'cli/chaos/skewed-clock.ts',
];

/**
 * One home per dependency: the only folders (or files) that import it. A package without a home may not be imported at all,
 * so that a new one is a decision and not an accident.
 */
export const packageHomes = {
  lmdb: ['state'],
  fastify: ['http'],
  '@fastify/*': ['http'],
  'find-my-way': ['http'],
  ajv: ['http'],
  'ajv-formats': ['http'],
  kafkajs: ['connectors'],
  // Codecs and the checksum of Kafka's record batches.
  '@bokuweb/zstd-wasm': ['connectors'],
  '@node-rs/crc32': ['connectors'],
  'lz4-napi': ['connectors'],
  snappy: ['connectors'],
  msgpackr: ['protocol'],
  piscina: ['main', 'workers'],
  comlink: ['main', 'workers'],
  aws4fetch: ['checkpoint'],
  pino: ['main', 'main.ts'],
  // Loaded only for somebody who has a collector.
  '@opentelemetry/api': ['main'],
  '@opentelemetry/exporter-trace-otlp-http': ['main'],
  '@opentelemetry/resources': ['main'],
  '@opentelemetry/sdk-trace': ['main'],
  // api: types alone, which say what a route's schema describes (docs/decisions/0070).
  typebox: ['api', 'base', 'http'],
};

/** The same for Node's own modules that do I/O, start threads or read the machine. */
export const builtinHomes = {
  // metrics/ reads what Linux counts per thread.
  fs: ['storage', 'main', 'main.ts', 'checkpoint', 'replay', 'cli', 'metrics'],
  // protocol/ names the type of a message port, and starts no thread; millrace chaos ends threads.
  worker_threads: ['main', 'workers', 'protocol', 'replay', 'cli/chaos/worker-death.ts'],
  http: ['http'],
  https: ['http'],
  // storage/ locks a data folder with a listening socket in it.
  net: ['http', 'storage'],
  child_process: ['main', 'cli'],
};

/** Layers that import none of Node's modules: they run the same in a test, in any thread, and under another runtime. */
export const layersWithoutBuiltins = ['base', 'api', 'operators', 'graph', 'cep'];
