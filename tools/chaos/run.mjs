// `npm run chaos`: a real process under load, killed, stopped and starved again and again, and then checked.
//
//   npm run chaos -- --kills 20                       the built-in bank
//   npm run chaos -- --kills 100 --job ./job.js --checker ./checker.js
//
// docs/testing.md says what a checker is. Prints its seed; `--seed N` makes the same choices again, though not the same timing.
import { randomInt, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { faults, mountDisk, unmountDisk } from './faults.mjs';
import { Service } from './service.mjs';

const DISK_MIB = 192;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: 'string', default: '20' },
    job: { type: 'string', default: here('./bank-job.mjs') },
    checker: { type: 'string', default: here('./bank-checker.mjs') },
    clients: { type: 'string', default: '16' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    faults: { type: 'string', default: 'kill,stop,worker,disk' },
    args: { type: 'string', default: '' },
  },
});
const kills = Number(values.kills);
const wanted = values.faults.split(',');
const isValid =
  Number.isInteger(kills) && kills > 0 && positionals.length === 0 && wanted.every((name) => name in faults);
if (!isValid) {
  console.error(
    'usage: npm run chaos -- [--kills N] [--job FILE --checker FILE] [--clients N] [--seed N] [--faults kill,stop,worker,disk] [--args "…"]',
  );
  process.exit(2);
}

const delay = (ms) => new Promise((resolveDelay) => setTimeout(resolveDelay, ms));

/** mulberry32 (Tommy Ettinger, public domain). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Sends requests one after the other, each again and again under one idempotency key until it has its answer. */
async function runClient({ service, checker, counts, isOver }) {
  while (!isOver()) {
    const operation = checker.next();
    if (operation === null) return;
    const { method, path, body } = operation;
    const headers = { 'idempotency-key': randomUUID() };
    for (;;) {
      const answer = await service.call({ method, path, body, headers }).catch(() => null);
      const isRefused =
        answer !== null && (answer.status >= 500 || answer.json?.code === 'MILLRACE_IDEMPOTENCY_CONFLICT');
      if (answer !== null && !isRefused) {
        checker.answered(operation, answer);
        counts.answered += 1;
        break;
      }
      counts.repeated += 1;
      await delay(20);
    }
  }
}

/** An answer of the service, however long it takes to come up. */
async function get(service, path) {
  for (;;) {
    const answer = await service.call({ method: 'GET', path }).catch(() => null);
    if (answer?.status === 200) return answer.json;
    await delay(50);
  }
}

async function runFaults({ context, random, possible, done }) {
  // Each kind at least once, kills most often.
  for (let round = 0; round < kills; round++) {
    await delay(100 + random() * 900);
    const name =
      round < possible.length
        ? possible[round]
        : random() < 0.6
          ? possible[0]
          : possible[Math.floor(random() * possible.length)];
    await faults[name](context);
    done[name] = (done[name] ?? 0) + 1;
  }
}

async function main() {
  const random = generator(Number(values.seed));
  const directory = mkdtempSync(join(tmpdir(), 'millrace-chaos-'));
  const diskDirectory = join(directory, 'disk');
  mkdirSync(diskDirectory);
  const hasDisk = wanted.includes('disk') && mountDisk(diskDirectory, DISK_MIB);
  const possible = wanted.filter((name) => name !== 'disk' || hasDisk);
  const left = wanted.filter((name) => !possible.includes(name));
  console.log(
    `seed ${values.seed}${left.length === 0 ? '' : `; without ${left.join()}: needs root to mount a file system`}`,
  );

  const workerDeathFile = join(directory, 'worker-death');
  const service = new Service({
    program: here('../../dist/main.js'),
    args: [
      '--port',
      '0',
      '--data-dir',
      join(diskDirectory, 'data'),
      '--job',
      resolve(values.job),
      '--log-level',
      'error',
      ...values.args.split(' ').filter(Boolean),
    ],
    env: { ...process.env, CHAOS_WORKER_DEATH: workerDeathFile },
  });
  const { createChecker } = await import(pathToFileURL(resolve(values.checker)).href);
  const checker = createChecker({ random });
  const counts = { answered: 0, repeated: 0 };
  const done = {};
  let isOver = false;
  const startedAt = Date.now();
  try {
    await service.start();
    const clients = Array.from({ length: Number(values.clients) }, () =>
      runClient({ service, checker, counts, isOver: () => isOver }),
    );
    const load = Promise.all(clients);
    await Promise.race([
      load,
      runFaults({ context: { service, workerDeathFile, diskDirectory }, random, possible, done }),
    ]);
    isOver = true;
    await load;
    const found = await checker.check({ get: (path) => get(service, path) });
    const seconds = Math.round((Date.now() - startedAt) / 1_000);
    const kinds = Object.entries(done).map(([name, count]) => `${name} ${String(count)}`);
    console.log(
      `${String(counts.answered)} requests answered, ${String(counts.repeated)} repetitions; ${kinds.join(', ')}; ended by itself ${String(service.ownEnds)}; ${String(seconds)} s`,
    );
    for (const fault of found) console.log(`WRONG: ${fault}`);
    const code = await service.stop();
    if (code !== 0) found.push(`the last stop ended with ${String(code)}`);
    if (found.length > 0) console.log(service.output);
    console.log(found.length === 0 ? 'everything holds' : `${String(found.length)} things do not hold`);
    process.exitCode = found.length === 0 ? 0 : 1;
  } catch (error) {
    console.log(service.output);
    throw error;
  } finally {
    service.signal('SIGKILL');
    if (hasDisk) unmountDisk(diskDirectory);
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
process.exit();
