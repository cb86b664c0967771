import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { projectDir } from './child.js';

/** A closed loop: each connection sends its next request when the last is answered. */
export interface LoadPlan {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Taken in turn by each connection. */
  readonly paths: readonly string[];
  readonly body: string;
}

/** Latencies are counted in microseconds, with three digits. */
export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Answers other than 2xx, errors and time-outs. */
  readonly failures: number;
}

/** A single connection, timed finely. */
export interface ProbePlan {
  readonly url: string;
  readonly requests: number;
  readonly warmupRequests: number;
  readonly paths: readonly string[];
  readonly body: string;
}

export interface ProbeResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** Runs a load in a separate process. Throws when a request failed: a figure with failures is no figure. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const result = (await runInProcess('load-process', plan)) as LoadResult;
  requireNoFailures(result, plan);
  return result;
}

/**
 * Runs a load in a separate process, and gives every so many seconds how many requests have been answered, from the end of the
 * warm-up on. The process ends when the reader does. Throws when a request failed.
 */
export async function* countLoad(plan: LoadPlan, everySeconds: number): AsyncGenerator<number> {
  const args = ['build/bench/lib/load-process.js', JSON.stringify({ ...plan, everySeconds })];
  const child = spawn(process.execPath, args, { cwd: projectDir, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const counted = JSON.parse(line) as { readonly answered: number } | LoadResult;
      if ('answered' in counted) yield counted.answered;
      else requireNoFailures(counted, plan);
    }
  } finally {
    child.kill();
  }
}

function requireNoFailures({ failures }: LoadResult, { url }: LoadPlan): void {
  if (failures > 0) throw new Error(`${String(failures)} requests to ${url} failed`);
}

/** Times single requests in a separate process. */
export async function runProbe(plan: ProbePlan): Promise<ProbeResult> {
  return (await runInProcess('probe-process', plan)) as ProbeResult;
}

/** Requests at appointed times, whatever the answers do. */
export interface OpenLoopPlan {
  readonly url: string;
  /** As many requests may be under way; one that finds none free waits, and its time runs. */
  readonly connections: number;
  readonly requestsPerSecond: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** A result for each so many seconds, in place of one for all. */
  readonly intervalSeconds?: number;
  /** Taken in turn. */
  readonly paths: readonly string[];
  readonly body: string;
}

/** Latencies are those from the appointed time to the whole answer. */
export interface OpenLoopResult {
  readonly answered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Answers other than 2xx, errors, and requests that were never answered. */
  readonly failures: number;
  /** Requests that the client itself sent more than 5 ms after their time. */
  readonly lateSends: number;
}

/** Runs an open loop in a separate process. @returns a result per interval */
export async function runOpenLoop(plan: OpenLoopPlan): Promise<OpenLoopResult[]> {
  const output = await outputOf('open-loop-process', plan);
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OpenLoopResult);
}

async function runInProcess(name: string, plan: object): Promise<unknown> {
  return JSON.parse(await outputOf(name, plan));
}

async function outputOf(name: string, plan: object): Promise<string> {
  const args = [`build/bench/lib/${name}.js`, JSON.stringify(plan)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: projectDir });
  return stdout;
}
