import type { Json, JsonObject } from './case-format.js';
import { evaluate, toNumber } from './expressions.js';
import type { ReadHost, Variables } from './expressions.js';

/** What a program may do, beside reading. A place where something is not allowed throws. */
export interface ProgramHost extends ReadHost {
  emit(value: unknown): void;
  side(tag: string, value: unknown): void;
  /** A state handle of any kind. */
  state(name: string): StateHandle;
  mergeState(name: string): void;
  timers(): TimerHandle;
  broadcastPut(name: string, key: unknown, value: unknown): void;
  broadcastRemove(name: string, key: unknown): void;
  forEachKey(name: string, visit: (key: unknown) => void): void;
}

/** What all kinds of state offer between them. */
export interface StateHandle {
  update?(value: never): void;
  add?(value: never): void;
  put?(key: never, value: never): void;
  remove?(key: never): void;
  clear(): void;
}

export interface TimerHandle {
  registerEventTimeTimer(timestamp: number): void;
  deleteEventTimeTimer(timestamp: number): void;
  registerProcessingTimeTimer(timestamp: number): void;
  deleteProcessingTimeTimer(timestamp: number): void;
}

/** Ends a program with a result. */
interface Returned {
  readonly result: string;
}

/** Runs a program. @returns what its `return` said; `null` when it has none. */
export function runProgram(program: Json | undefined, variables: Variables, host: ProgramHost): string | null {
  return runBlock((program ?? []) as readonly JsonObject[], variables, host)?.result ?? null;
}

function runBlock(statements: readonly JsonObject[], variables: Variables, host: ProgramHost): Returned | null {
  for (const statement of statements) {
    const returned = runStatement(statement, variables, host);
    if (returned !== null) return returned;
  }
  return null;
}

function runStatement(statement: JsonObject, variables: Variables, host: ProgramHost): Returned | null {
  const value = (field: string): unknown => evaluate(statement[field] ?? null, variables, host);
  if ('return' in statement) return { result: statement['return'] as string };
  if ('when' in statement) {
    const block = value('when') === true ? statement['then'] : statement['else'];
    return runBlock((block ?? []) as readonly JsonObject[], variables, host);
  }
  if ('forEach' in statement) {
    for (const element of value('forEach') as readonly unknown[]) {
      variables[statement['as'] as string] = element;
      const returned = runBlock(statement['do'] as readonly JsonObject[], variables, host);
      if (returned !== null) return returned;
    }
    return null;
  }
  if ('let' in statement) variables[statement['let'] as string] = value('be');
  else if ('emit' in statement) host.emit(value('emit'));
  else if ('side' in statement) host.side(statement['side'] as string, value('value'));
  else if ('forEachKey' in statement) {
    host.forEachKey(statement['forEachKey'] as string, (key) => {
      runBlock(statement['do'] as readonly JsonObject[], { ...variables, key }, host);
    });
  } else if (!changeTimers(statement, value, host)) changeState(statement, value, host);
  return null;
}

function changeTimers(statement: JsonObject, value: (field: string) => unknown, host: ProgramHost): boolean {
  if ('eventTimer' in statement) host.timers().registerEventTimeTimer(toNumber(value('eventTimer')));
  else if ('deleteEventTimer' in statement) host.timers().deleteEventTimeTimer(toNumber(value('deleteEventTimer')));
  else if ('processingTimer' in statement) {
    host.timers().registerProcessingTimeTimer(toNumber(value('processingTimer')));
  } else if ('deleteProcessingTimer' in statement) {
    host.timers().deleteProcessingTimeTimer(toNumber(value('deleteProcessingTimer')));
  } else return false;
  return true;
}

function changeState(statement: JsonObject, value: (field: string) => unknown, host: ProgramHost): void {
  const named = (field: string): string => statement[field] as string;
  if ('update' in statement) {
    const to = value('to');
    const state = host.state(named('update'));
    if (to === null) state.clear();
    else state.update?.(to as never);
  } else if ('add' in statement) host.state(named('add')).add?.(value('value') as never);
  else if ('put' in statement) host.state(named('put')).put?.(value('k') as never, value('v') as never);
  else if ('remove' in statement) host.state(named('remove')).remove?.(value('k') as never);
  else if ('clear' in statement) host.state(named('clear')).clear();
  else if ('mergeState' in statement) host.mergeState(named('mergeState'));
  else if ('broadcastPut' in statement) host.broadcastPut(named('broadcastPut'), value('k'), value('v'));
  else if ('broadcastRemove' in statement) host.broadcastRemove(named('broadcastRemove'), value('k'));
  else throw new Error(`the statement ${JSON.stringify(statement)} is not known`);
}
