import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SeededPrng } from '../../../src/base/prng.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const program = fileURLToPath(new URL('../../fixtures/state/checkpointing-process.mjs', import.meta.url));

/**
 * Starts the process, waits until it has found everything as it should be, and kills it after it has said so many more words.
 *
 * @returns how many updates its last complete checkpoint held
 */
async function runAndKill(directory: string, backend: string, words: number): Promise<number> {
  const child = spawn(process.execPath, [program, directory, backend], { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  let updates = -1;
  let left = words;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('verified ')) updates = Number(line.slice('verified '.length));
    else left -= 1;
    if (left <= 0 && updates >= 0) child.kill('SIGKILL');
  }
  await exited;
  if (updates < 0 || left > 0) throw new Error(`the process ended by itself: ${complaint}`);
  return updates;
}

describe.each(['heap', 'lmdb'] as const)('a process with %s state that is killed at any moment', (backend) => {
  it('finds the state of its last complete checkpoint, whole', async () => {
    await withTemporaryDirectory(async (directory) => {
      const prng = new SeededPrng(backend === 'heap' ? 11 : 12);
      let updates = 0;
      const kills = Number(process.env['MILLRACE_KILLS'] ?? 8);
      for (let kill = 0; kill < kills; kill++) {
        const found = await runAndKill(directory, backend, 1 + prng.below(40));
        expect(found).toBeGreaterThanOrEqual(updates);
        updates = found;
      }
      // It did get somewhere.
      expect(updates).toBeGreaterThan(2000);
    });
  });
});
