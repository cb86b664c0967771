import { defineConfig } from 'vitest/config';

// Tests on real brokers: `npm run test:kafka`. Apart from the others, because they need Java, run once and not on every
// Node.js, and have the machine for themselves.
export default defineConfig({
  test: {
    name: 'kafka',
    include: ['test/kafka/**/*.test.ts'],
    globalSetup: ['test/helpers/kafka-setup.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
