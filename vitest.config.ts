import { defineConfig } from 'vitest/config';

// Two groups, one after the other. Tests that start worker threads, child processes or sockets measure out the machine, so
// they have it for themselves; everything else runs two files at a time, which is what the smallest CI machine has cores for.
const serialFolders = ['test/threads', 'test/integration'];

const shared = {
  pool: 'forks',
  // Bounds against hanging, not expectations of speed: the slowest machine that runs the tests has two busy cores.
  testTimeout: 180_000,
  hookTimeout: 180_000,
} as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [
            'test/chaos/**',
            'test/kafka/**',
            'test/ui/**',
            'test/fixtures/**',
            ...serialFolders.map((folder) => `${folder}/**`),
          ],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: 'serial',
          include: serialFolders.map((folder) => `${folder}/**/*.test.ts`),
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
