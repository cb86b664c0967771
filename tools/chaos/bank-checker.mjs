// Calls the bank (bank-job.mjs), and checks what is left of it.
import { BALANCE } from './bank-job.mjs';

const ACCOUNTS = Array.from({ length: 12 }, (_, index) => `account-${String(index)}`);
/** Longest wait for transfers that are under way: they are seen at the next checkpoint. */
const SETTLE_MS = 30_000;

export function createChecker({ random }) {
  const accepted = new Map(ACCOUNTS.map((account) => [account, 0]));
  const pick = () => ACCOUNTS[Math.floor(random() * ACCOUNTS.length)];
  let count = 0;
  return {
    next() {
      const account = pick();
      const body = { id: `transfer-${String(count++)}`, to: pick(), amount: 1 + Math.floor(random() * 50) };
      return { method: 'POST', path: `/transfers/${account}`, body, account };
    },

    answered({ account, body }, { status, json }) {
      if (status !== 200 || json.accepted !== body.id)
        throw new Error(`${body.id} was answered ${String(status)} ${JSON.stringify(json)}`);
      accepted.set(account, accepted.get(account) + 1);
    },

    async check({ get }) {
      const until = Date.now() + SETTLE_MS;
      for (;;) {
        const states = await Promise.all(
          ACCOUNTS.map(async (account) => Object.assign(await get(`/accounts/${account}`), { account })),
        );
        const faults = faultsIn(states, accepted);
        if (faults.length === 0 || Date.now() > until) return faults;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
  };
}

function faultsIn(states, accepted) {
  const sum = (name) => states.reduce((total, state) => total + state[name], 0);
  const faults = states
    .filter(({ account, sent }) => sent !== accepted.get(account))
    .map(
      ({ account, sent }) =>
        `${account} has sent ${String(sent)} transfers, ${String(accepted.get(account))} were accepted`,
    );
  if (sum('balance') !== BALANCE * states.length) faults.push(`the balances add up to ${String(sum('balance'))}`);
  if (sum('received') !== sum('sent'))
    faults.push(`${String(sum('received'))} transfers arrived of ${String(sum('sent'))}`);
  if (sum('repeated') !== 0) faults.push(`${String(sum('repeated'))} transfers arrived twice`);
  return faults;
}
