import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceProcess } from './service-process.js';

/** What the job `ledger` (test/fixtures/jobs) tells of an account. */
export interface LedgerState {
  readonly total: { readonly amount: number } | null;
  readonly entries: readonly number[];
  readonly tags: Readonly<Record<string, number>>;
  readonly sum: number;
}

const NAMES = Array.from({ length: 40 }, (_, index) => `account-${String(index)}`);

/** Adds to 40 accounts, which lie in all shards. */
export async function fillLedger(service: ServiceProcess, amount: number): Promise<void> {
  await Promise.all(
    NAMES.map(async (name, index) => {
      const response = await service.post(`/ledger/${name}`, { add: amount + index, tag: `t${String(amount)}` });
      if (!response.ok) throw new Error(`status ${String(response.status)}: ${await response.text()}`);
      await response.arrayBuffer();
    }),
  );
}

/** Adds until an lmdb job has written bases, which it does for several checkpoints together. */
export async function fillBases(service: ServiceProcess): Promise<void> {
  for (;;) {
    await fillLedger(service, 1);
    const found = await readdir(join(service.dataDir, 'state'), { recursive: true }).catch(() => []);
    if (found.some((name) => name.endsWith('data.mdb'))) return;
  }
}

/** Until the checkpoint store holds everything that has been answered so far: a checkpoint that began later is there. */
export async function untilStored(service: ServiceProcess): Promise<void> {
  const now = Date.now();
  for (;;) {
    const age = (await service.metric('millrace_checkpoint_store_age_seconds')) ?? -1;
    // A checkpoint is dated when it completes: this one began after `now`.
    if (age >= 0 && Date.now() - age * 1000 > now + 500) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The state of all accounts. */
export async function readLedger(service: ServiceProcess): Promise<Record<string, LedgerState>> {
  const states = await Promise.all(
    NAMES.map(
      async (name) => [name, (await (await service.post(`/ledger/${name}`, {})).json()) as LedgerState] as const,
    ),
  );
  return Object.fromEntries(states);
}

/** Takes a savepoint and waits for it. @returns where it is */
export async function takeSavepoint(
  service: ServiceProcess,
  body: object = {},
  how: 'savepoints' | 'stop' = 'savepoints',
): Promise<string> {
  const operation = await operate(service, `/jobs/${await jobIdOf(service)}/${how}`, body);
  if (operation.location === undefined) throw new Error(`no savepoint: ${JSON.stringify(operation)}`);
  return operation.location;
}

export interface OperationOutcome {
  readonly location?: string;
  readonly 'failure-cause'?: { readonly 'stack-trace': string };
}

/** Begins an operation and asks until it has ended. */
export async function operate(service: ServiceProcess, path: string, body: object): Promise<OperationOutcome> {
  const begun = await service.post(path, body);
  const { 'request-id': requestId } = (await begun.json()) as { 'request-id': string };
  const statusPath = path.startsWith('/savepoint-disposal')
    ? `${path}/${requestId}`
    : `/jobs/${await jobIdOf(service)}/savepoints/${requestId}`;
  for (;;) {
    const status = (await (await service.fetch(statusPath)).json()) as {
      status: { id: string };
      operation?: OperationOutcome;
    };
    if (status.status.id === 'COMPLETED') return status.operation ?? {};
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function jobIdOf(service: ServiceProcess): Promise<string> {
  const { jobs } = (await (await service.fetch('/jobs')).json()) as { jobs: { id: string }[] };
  return jobs[0]?.id ?? '';
}
