import fc from 'fast-check';
import { describe, it } from 'vitest';
import { StateWorld } from '../../helpers/state-world.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

/** What may happen to a job's state, in any order. */
const command = fc.oneof(
  {
    weight: 200,
    arbitrary: fc.record({
      kind: fc.constant('act' as const),
      operator: fc.nat(1),
      key: fc.nat(19),
      namespace: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(4) }),
      action: fc.nat(12),
      argument: fc.nat(500),
    }),
  },
  { weight: 50, arbitrary: fc.record({ kind: fc.constant('slice' as const), store: fc.nat(2) }) },
  { weight: 30, arbitrary: fc.constant({ kind: 'turn' as const }) },
  {
    weight: 30,
    arbitrary: fc.record({ kind: fc.constant('barrier' as const), store: fc.nat(2), operator: fc.nat(1) }),
  },
  { weight: 20, arbitrary: fc.constant({ kind: 'finish' as const }) },
  { weight: 20, arbitrary: fc.constant({ kind: 'complete' as const }) },
  { weight: 6, arbitrary: fc.constant({ kind: 'abort' as const }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('restart' as const), parallelism: fc.constantFrom(1, 2, 3, 4) }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: 'check' as const }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

async function run(world: StateWorld, step: Command, keyCount: number): Promise<void> {
  switch (step.kind) {
    case 'act':
      return world.act(step.operator, step.key % keyCount, step.namespace, step.action, step.argument);
    case 'slice':
      return world.slice(step.store);
    case 'turn':
      return world.turn();
    case 'barrier':
      return world.barrier(step.store, step.operator);
    case 'finish':
      return world.finish();
    case 'complete':
      return world.complete();
    case 'abort':
      return world.abort();
    case 'restart':
      return world.restart(step.parallelism);
    case 'check':
      return world.check();
  }
}

describe.each(['heap', 'lmdb'] as const)('state on the %s backend', (backend) => {
  it('equals a model of plain Maps, whatever is checkpointed, aborted, evicted and restored in between', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { minLength: 20, maxLength: 250, size: 'max' }),
        fc.constantFrom(0, 3000, 1_000_000),
        // Few keys meet themselves again soon, many do not all fit into memory.
        fc.constantFrom(1, 3, 20),
        fc.constantFrom(1, 4),
        async (commands, memtableBudgetBytes, keyCount, segmentsHeldMax) =>
          withTemporaryDirectory(async (directory) => {
            const world = new StateWorld({ backend, directory, memtableBudgetBytes, segmentsHeldMax });
            await world.open(1);
            try {
              for (const step of commands) await run(world, step, keyCount);
              world.check();
              await world.restart(2);
              world.check();
            } finally {
              await world.close();
            }
          }),
      ),
      { numRuns: Number(process.env['MILLRACE_PROPERTY_RUNS'] ?? 40) },
    );
  });
});
