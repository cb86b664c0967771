/** What must and must not compile around scatter and gather. Compiled, never run. */
import { Type } from 'typebox';
import {
  KeyedProcessFunction,
  type Collector,
  type HttpRequest,
  type SingleOutputStreamOperator,
  type StreamEnvironment,
} from '../../src/index.js';
import { sameType } from './expect-type.js';

const Payment = Type.Object({ card: Type.String(), device: Type.String(), amount: Type.Integer() });
type Payment = { card: string; device: string; amount: number };

class Spending extends KeyedProcessFunction<string, HttpRequest<Payment>, { readonly total: number }> {
  override processElement(request: HttpRequest<Payment>, _context: unknown, out: Collector<{ total: number }>): void {
    out.collect({ total: request.body.amount });
  }
}

export function branchesKeepTheirTypes(env: StreamEnvironment): void {
  const scattered = env.requests('POST /payments', { body: Payment }).scatter({
    card: (stream) => stream.keyBy((request) => request.body.card).process(new Spending()),
    device: (stream) => stream.map((request) => request.body.device),
  });
  const answers = scattered.gather({
    combine: (request, { card, device }) => `${request.body.amount.toFixed()} ${card.total.toFixed()} ${device.trim()}`,
  });
  sameType<typeof answers, SingleOutputStreamOperator<string>>(true);
  answers.respond();

  scattered.gather({
    quorum: 1,
    combine: (_request, { card, device }) => {
      // @ts-expect-error with a quorum a branch may be missing
      card.total.toFixed();
      return device?.trim();
    },
  });
  scattered.gather({
    timeoutMs: 50,
    combine: (_request, { card }) => card.total,
    // @ts-expect-error at the time-out a branch may be missing
    onTimeout: (_request, { card }) => card.total,
  });
  const withTimeout = scattered.gather({
    quorum: 2,
    timeoutMs: 50,
    combine: (_request, { card }) => card?.total ?? 0,
    onTimeout: (request, { card }) => card?.total ?? request.body.amount,
  });
  sameType<typeof withTimeout, SingleOutputStreamOperator<number>>(true);

  // @ts-expect-error there is no such branch
  scattered.gather({ combine: (_request, { merchant }) => String(merchant) });
  // @ts-expect-error a time-out without a word on what to answer
  scattered.gather({ timeoutMs: 50, combine: () => 1 });
  // @ts-expect-error an answer at a time that nobody set
  scattered.gather({ combine: () => 1, onTimeout: () => 2 });
  // @ts-expect-error nothing makes the answer
  scattered.gather({ quorum: 2 });
}

export function branchesEndInStreams(env: StreamEnvironment): void {
  const requests = env.requests('POST /payments', { body: Payment, key: (request) => request.body.card });
  // A stream that is keyed at the door is so in its branches.
  requests.scatter({ card: (stream) => stream.process(new Spending()) });
  // @ts-expect-error a branch ends in a stream
  requests.scatter({ card: (stream) => stream.print() });
  // @ts-expect-error there is no such field
  requests.scatter({ card: (stream) => stream.map((request) => request.body.merchant) });
  const texts = requests.map(String).keyBy((text) => text);
  // @ts-expect-error the function needs requests
  requests.scatter({ card: () => texts.process(new Spending()) });
}
