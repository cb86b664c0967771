import { invariant } from '../../../src/base/invariant.js';
import { SeededPrng } from '../../../src/base/prng.js';
import type { TopicReader } from '../../../src/connectors/topic.js';
import { createExecutionPlan } from '../../../src/graph/create-execution-plan.js';
import type { ExecutionPlan } from '../../../src/graph/execution-plan.js';
import { declaredRoutes } from '../../../src/graph/request-routes.js';
import { buildStreamGraph, type StreamGraph } from '../../../src/graph/stream-graph.js';
import type { Reply } from '../../../src/main/job-control.js';
import { type CheckedEntry, type Entry, ledgerJob, type QuotedEntry, type Service } from './ledger-job.js';
import type { Variant } from './simulated-attempt.js';
import { correlationOf, isOfDisk, SimulatedService } from './simulated-service.js';

const SHARDS = 4;
/** In the order of the job's routes. */
const ROUTES = ['near', 'far', 'any', 'asked'];
/** One run follows the other. */
const service: Service = { nextQuote: 0 };
const job = ledgerJob(service);
const graphOf = (): StreamGraph => buildStreamGraph(job.build());
const routes = declaredRoutes(graphOf());
const plans: readonly ExecutionPlan[] = [1, 2].map((parallelism) =>
  createExecutionPlan(graphOf(), { parallelism, workerCount: parallelism, shardCount: SHARDS }),
);

/** One request of a client that repeats it until it is answered. */
interface Operation {
  readonly account: string;
  readonly route: number;
  attempts: number;
  /** Every answer that was not a refusal. */
  readonly answers: string[];
}

/** What a run came to. */
export interface RunOutcome {
  readonly steps: number;
  readonly faults: SimulatedService['faults'];
  /** What is wrong, in words; `null` when nothing is. */
  readonly failure: string | null;
}

const STEPS_MAX = 60_000;
/** A reader outside looks every so many steps. */
const WATCHED_EVERY = 6;

/**
 * A whole service under load, chosen by a seed: clients that repeat their requests, tasks, rings, checkpoints, a log and
 * disks, each a step at a time, with crashes and failing disks in between. Then everything is left alone until it is done, and what
 * is there is compared with what a run without faults would give.
 */
export class LedgerRun {
  readonly #variant: Variant;
  readonly #prng: SeededPrng;
  readonly #service: SimulatedService;
  readonly #operations: Operation[];
  readonly #faultRate: { value: number };
  readonly #readers = new Map<string, Watcher>();
  #failure: string | null = null;

  constructor(seed: number, variant: Variant = 'production') {
    this.#variant = variant;
    service.nextQuote = 0;
    const prng = new SeededPrng(seed);
    this.#prng = prng;
    const plan = plans[prng.below(plans.length)];
    invariant(plan !== undefined, 'there is a plan');
    const faultRate = { value: [0, 0.004, 0.014][prng.below(3)] ?? 0 };
    this.#faultRate = faultRate;
    this.#service = new SimulatedService({
      variant,
      plan,
      graphOf,
      prng,
      ringBytes: [1 << 9, 1 << 12][prng.below(2)] ?? 0,
      get faultRate() {
        return faultRate.value;
      },
      onReply: (reply) => this.#onReply(reply),
    });
    const accounts = 1 + prng.below(3);
    this.#operations = Array.from({ length: 1 + prng.below(8) }, () => {
      const route = prng.below(ROUTES.length);
      return {
        account: `${ROUTES[route] ?? ''}-${String(prng.below(accounts))}`,
        route,
        attempts: 0,
        answers: [],
      };
    });
  }

  /** Never rejects: what was thrown is what is wrong. */
  async run(): Promise<RunOutcome> {
    try {
      return await this.#run();
    } catch (error) {
      return this.#outcome(0, error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  async #run(): Promise<RunOutcome> {
    let steps = 0;
    const calmFrom = 80 + this.#prng.below(320);
    for (; this.#failure === null && !this.#isDone(); steps++) {
      if (steps === calmFrom) this.#faultRate.value = 0;
      if (steps > STEPS_MAX) return this.#outcome(steps, `it never comes to an end: ${this.#state()}`);
      this.#stepClient();
      await this.#service.step();
      if (steps % WATCHED_EVERY === 0 || this.#service.log === null) this.#watchAll();
    }
    return this.#outcome(steps, this.#failure ?? this.#finalFailure());
  }

  #outcome(steps: number, failure: string | null): RunOutcome {
    return { steps, failure, faults: this.#service.faults };
  }

  // ------------------------------------------------------------------------------------------------------------- clients

  #stepClient(): void {
    const { value: faultRate } = this.#faultRate;
    const operation = this.#operations[this.#prng.below(this.#operations.length)];
    if (operation === undefined || this.#service.log === null) return;
    const isFirst = operation.attempts === 0;
    // An impatient client repeats its request while the first one runs, and after it was answered.
    const isRepeated = this.#prng.next() < (operation.answers.length > 0 ? 0.002 : faultRate > 0 ? 0.03 : 0.01);
    if (isFirst ? this.#prng.below(8) === 0 : isRepeated) this.#send(operation);
  }

  #send(operation: Operation): void {
    const index = this.#operations.indexOf(operation);
    const route = routes[operation.route];
    invariant(route !== undefined, 'the job has the route');
    this.#service.submit({
      correlationId: correlationOf(index, operation.attempts++),
      route: { ...route, forwardHeaders: [] },
      request: {
        method: 'POST',
        path: `/${operation.account}`,
        route: route.route,
        params: { account: operation.account },
        query: {},
        headers: {},
        body: undefined,
      },
      body: Buffer.from('{}'),
      deadline: Number.MAX_SAFE_INTEGER,
      idempotency: {
        key: `operation ${String(index)}`,
        ttlMs: 1e9,
        whileRunning: index % 2 === 0 ? 'conflict' : 'wait',
      },
      traceparent: null,
      isTraced: false,
    });
  }

  #onReply({ correlationId, status, body }: Reply): void {
    const operation = this.#operations[Number(correlationId.split('/')[0])];
    if (operation === undefined || status === 409) return;
    const answer = `${String(status)} ${Buffer.from(body).toString()}`;
    const [first] = operation.answers;
    operation.answers.push(answer);
    if (first !== undefined && first !== answer)
      this.#fail(`${correlationId} was answered with ${first}, and then with ${answer}`);
    if (status !== 200) this.#fail(`${correlationId} was answered with ${answer}`);
  }

  // ------------------------------------------------------------------------------------------------------------ watching

  #watchAll(): void {
    this.#watch('entries');
    this.#watch('checked');
  }

  /** A reader outside, which survives every crash of the service: what it has seen once it must not see again. */
  #watch(topic: string): void {
    const { log } = this.#service;
    if (log === null) {
      this.#readers.get(topic)?.lose();
      return;
    }
    let watcher = this.#readers.get(topic);
    if (watcher === undefined) {
      watcher = new Watcher();
      this.#readers.set(topic, watcher);
    }
    watcher.read(() =>
      log.openReader(topic, {
        positions: watcher.positions,
        visibility: this.#variant === 'uncommitted-read' ? 'durable' : 'committed',
        onReadable: () => undefined,
      }),
    );
    if (watcher.failure !== null) this.#fail(`topic ${topic}: ${watcher.failure}`);
  }

  #fail(what: string): void {
    this.#failure ??= what;
  }

  // ----------------------------------------------------------------------------------------------------------------- end

  #isDone(): boolean {
    return this.#faultRate.value === 0 && this.#operations.every(({ answers }) => answers.length > 0) && this.#hasAll();
  }

  #hasAll(): boolean {
    const count = this.#operations.length;
    return ['entries', 'checked'].every((topic) => (this.#readers.get(topic)?.entries.length ?? 0) >= count);
  }

  #finalFailure(): string | null {
    for (const account of new Set(this.#operations.map((operation) => operation.account))) {
      const operations = this.#operations.filter((operation) => operation.account === account);
      const isNumbered = !account.startsWith('any');
      const answered = operations.map(({ answers }) => answers[0] ?? '').sort();
      const expected = operations
        .map((_, index) => `200 ${JSON.stringify(isNumbered ? this.#entryOf(account, index + 1) : { account })}`)
        .sort();
      if (answered.join() !== expected.join()) return `account ${account} was told ${answered.join()}`;
    }
    for (const [topic, { entries }] of this.#readers) {
      if (entries.length !== this.#operations.length) return `topic ${topic} has ${String(entries.length)} entries`;
    }
    return null;
  }

  /** As its caller is told of it; what a service said of it must be what was written down for good. */
  #entryOf(account: string, sequence: number): Entry | QuotedEntry {
    if (!account.startsWith('asked')) return { account, sequence };
    const entries = this.#readers.get('entries')?.entries as readonly QuotedEntry[] | undefined;
    const written = entries?.find((entry) => entry.account === account && entry.sequence === sequence);
    return { account, quote: written?.quote ?? -1, sequence };
  }

  #state(): string {
    const unanswered = this.#operations.filter(({ answers }) => answers.length === 0).length;
    const seen = [...this.#readers].map(([topic, { entries }]) => `${topic} ${String(entries.length)}`);
    return `${String(unanswered)} of ${String(this.#operations.length)} unanswered, ${seen.join(', ')}`;
  }
}

/** Reads what is committed, and holds it against what must come: each account's entries from 1 on, in order. */
class Watcher {
  readonly positions = new Map(Array.from({ length: SHARDS }, (_, partition) => [partition, 0]));
  readonly entries: Entry[] = [];
  failure: string | null = null;
  readonly #next = new Map<string, number>();
  #reader: TopicReader | null = null;

  /** The log was opened anew: a reader of before reads nothing any more. */
  lose(): void {
    this.#reader = null;
  }

  read(open: () => TopicReader): void {
    this.#reader ??= open();
    const reader = this.#reader;
    try {
      reader.poll(100, (record) => {
        this.#take(JSON.parse(Buffer.from(record.value ?? []).toString()) as Entry & Partial<CheckedEntry>);
        return true;
      });
    } catch (error) {
      if (!isOfDisk(error)) throw error;
      this.#reader = null;
    }
    for (const partition of this.positions.keys()) this.positions.set(partition, reader.position(partition));
  }

  #take(entry: Entry & Partial<CheckedEntry>): void {
    const expected = this.#next.get(entry.account) ?? 1;
    this.#next.set(entry.account, expected + 1);
    this.entries.push(entry);
    if (entry.sequence !== expected || (entry.arrival ?? expected) !== expected) {
      this.failure ??= `entry ${JSON.stringify(entry)} where ${String(expected)} comes next`;
    }
  }
}
