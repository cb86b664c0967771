import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const program = fileURLToPath(new URL('../../fixtures/shared-memory/async-sleeper.mjs', import.meta.url));

/** Exit code of a top-level await that nothing can settle any more. */
const UNSETTLED_AWAIT = 13;

async function run(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, output };
}

describe('a process that has nothing to do but sleep asynchronously', () => {
  test('stays alive until its doorbell rings', async () => {
    expect(await run()).toEqual({ code: 0, output: 'woken' });
  });

  test('would end in the midst of it on the bare Atomics.waitAsync, which is why the helper exists', async () => {
    expect(await run('bare')).toEqual({ code: UNSETTLED_AWAIT, output: '' });
  });
});
