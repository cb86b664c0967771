import { defineConfig } from 'vitest/config';

/** `npm run test:ui`: a real browser against real processes, one file at a time. Apart from `npm test`, which needs no browser. */
export default defineConfig({
  test: {
    include: ['test/ui/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
