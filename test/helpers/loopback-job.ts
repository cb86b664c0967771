import type {
  JobControl,
  JobDescription,
  Readiness,
  Reply,
  RequestEnvelope,
  RequestListener,
  RequestRoute,
} from '../../src/main/job-control.js';

/** What a loop-back job answers. */
export interface LoopbackAnswer {
  readonly status?: number;
  readonly contentType?: string;
  readonly body: string | Uint8Array;
}

/** A request as the job got it. */
export interface Submission {
  readonly envelope: RequestEnvelope;
  readonly listener: RequestListener;
}

/**
 * A job without a graph: takes requests, makes them durable and answers them, asynchronously, in order. Each step can be held
 * back, so that a test decides what happens first.
 */
export class LoopbackJob implements JobControl {
  readonly submissions: Submission[] = [];
  readonly #routes: readonly RequestRoute[];
  #receive: (reply: Reply) => void = () => undefined;
  /** Requests become durable by themselves. */
  makesDurable = true;
  /** Durable requests are answered by themselves. */
  answers = true;
  /** What is answered. */
  answer: (envelope: RequestEnvelope) => LoopbackAnswer = (envelope) => ({ body: envelope.body });
  /** Set: every request is refused with this. */
  refusal: Error | null = null;
  state: JobDescription['state'] = 'RUNNING';
  #waiters: (() => boolean)[] = [];

  constructor(routes: readonly RequestRoute[]) {
    this.#routes = routes;
  }

  describe(): JobDescription {
    return {
      jid: '0123456789abcdef0123456789abcdef',
      name: 'loopback',
      state: this.state,
      startTime: 1_000,
      parallelism: 2,
      plan: {
        nodes: [
          {
            id: 'source',
            name: 'Source: requests',
            parallelism: 1,
            operators: [{ uid: 'requests', name: 'requests', kind: 'source' }],
            inputs: [],
          },
          {
            id: 'count',
            name: 'count -> respond',
            parallelism: 2,
            operators: [{ uid: 'count', name: 'count', kind: 'process' }],
            inputs: [{ id: 'source', ship_strategy: 'HASH' }],
          },
        ],
      },
    };
  }

  get takesRequests(): boolean {
    return this.state === 'RUNNING';
  }

  readiness(): Readiness {
    return this.state === 'RUNNING'
      ? { ready: true, reasons: [] }
      : { ready: false, reasons: [`the job is ${this.state}`] };
  }

  routes(): readonly RequestRoute[] {
    return this.#routes;
  }

  onReply(receive: (reply: Reply) => void): void {
    this.#receive = receive;
  }

  submit(envelope: RequestEnvelope, listener: RequestListener): void {
    const submission = { envelope, listener };
    this.submissions.push(submission);
    setImmediate(() => this.#process(submission));
    this.#waiters = this.#waiters.filter((isDone) => !isDone());
  }

  /** The request becomes durable now. */
  makeDurable({ listener }: Submission): void {
    listener.onDurable(`requests:0:${this.submissions.length - 1}`);
  }

  /** The answer comes now. Its memory is spoilt right after, as that of a real topic would be. */
  reply({ envelope }: Submission, answer: LoopbackAnswer = this.answer(envelope)): void {
    const body = Uint8Array.from(typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body);
    this.#receive({
      correlationId: envelope.correlationId,
      status: answer.status ?? 200,
      contentType: answer.contentType ?? 'application/json',
      body,
      timestamp: 0,
    });
    body.fill(0x21);
  }

  /** Resolves when this many requests have been submitted, and gives the last of them. */
  submitted(count: number): Promise<Submission> {
    return new Promise((resolve) => {
      const isDone = (): boolean => {
        const submission = this.submissions[count - 1];
        if (submission !== undefined) resolve(submission);
        return submission !== undefined;
      };
      if (!isDone()) this.#waiters.push(isDone);
    });
  }

  #process(submission: Submission): void {
    if (this.refusal !== null) {
      submission.listener.onRefused(this.refusal);
      return;
    }
    if (!this.makesDurable) return;
    submission.listener.onDurable(`requests:0:${this.submissions.length - 1}`);
    if (this.answers) setImmediate(() => this.reply(submission));
  }
}

/** A route with nothing special about it. */
export function requestRoute(route: string, options: Partial<RequestRoute> = {}): RequestRoute {
  const [method = '', path = ''] = route.split(' ');
  return {
    method,
    path,
    route,
    sourceUid: 'requests',
    bodySchema: null,
    querySchema: null,
    responseSchema: null,
    summary: null,
    timeoutMs: null,
    bodyLimitBytes: null,
    forwardHeaders: [],
    requiresIdempotencyKey: false,
    key: null,
    ...options,
  };
}
