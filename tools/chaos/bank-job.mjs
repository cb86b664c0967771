// The job that `npm run chaos` runs when it is given no other: a bank.
//
//   POST /transfers/:account {"to", "amount", "id"}   takes the amount from the account, and sends it through an exactly-once topic
//   GET  /accounts/:account                           {"balance", "sent", "received", "repeated"}
//
// What an account gets comes from that topic. So the sum of all balances is what it was, once no transfer is under way; a
// transfer that is lost, or comes twice, changes it. Answers do not depend on the order in which accounts get what.
import {
  defineJob,
  jsonSerde,
  KeyedProcessFunction,
  mapState,
  OutputTag,
  topic,
  topicSink,
  valueState,
} from '../../dist/index.js';

export const BALANCE = 1_000;
const TRANSFERS = new OutputTag('transfers');

class Account extends KeyedProcessFunction {
  #account;
  #seen;

  open(context) {
    this.#account = context.getState(valueState('account'));
    this.#seen = context.getMapState(mapState('seen'));
  }

  processElement(event, context, out) {
    const account = { ...(this.#account.value() ?? { balance: BALANCE, sent: 0, received: 0, repeated: 0 }) };
    if (event.kind === 'query') return out.collect(account);
    if (event.kind === 'send') {
      account.balance -= event.amount;
      account.sent += 1;
      context.output(TRANSFERS, { id: event.id, to: event.to, amount: event.amount });
      out.collect({ accepted: event.id });
    } else if (this.#seen.contains(event.id)) {
      account.repeated += 1;
    } else {
      this.#seen.put(event.id, true);
      account.balance += event.amount;
      account.received += 1;
    }
    this.#account.update(account);
  }
}

function eventOf({ method, params, body }) {
  if (method === 'GET') return { kind: 'query', account: params.account };
  return { kind: 'send', account: params.account, id: body.id, to: body.to, amount: body.amount };
}

export default defineJob('bank', (env) => {
  const requests = env
    .requests(['POST /transfers/:account', 'GET /accounts/:account'], { key: ({ params }) => params.account })
    .uid('requests')
    .map(eventOf)
    .uid('events');
  const received = env
    .fromSource(topic('transfers', jsonSerde()))
    .uid('transfers')
    .map(({ id, to, amount }) => ({ kind: 'receive', account: to, id, amount }))
    .uid('received');
  const accounts = requests
    .union(received)
    .keyBy(({ account }) => account)
    .process(new Account())
    .uid('accounts');
  accounts
    .getSideOutput(TRANSFERS)
    .sinkTo(topicSink('transfers', jsonSerde(), { key: ({ to }) => to, guarantee: 'exactly-once' }))
    .uid('send');
  accounts.respond().uid('respond');
});
