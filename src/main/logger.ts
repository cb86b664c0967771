import { Writable } from 'node:stream';
import { destination, type DestinationStream, pino, stdTimeFunctions } from 'pino';
import type { Logger } from '../base/log.js';

export interface LoggerOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  /** `json`: one object a line, for machines. `text`: for people. */
  readonly format: 'json' | 'text';
}

/** Fields that may hold what a client sent as a credential: never written, wherever they stand. */
const REDACTED = ['authorization', 'cookie', '*.authorization', '*.cookie', '*.password', '*.token', '*.secret'];

/** The process's logger, on standard error: standard output belongs to the job's `print()`. */
export function createLogger({ level, format }: LoggerOptions): Logger {
  const target: DestinationStream = format === 'json' ? destination({ fd: 2, sync: true }) : textDestination();
  return pino({ level, base: null, redact: REDACTED, timestamp: stdTimeFunctions.isoTime }, target);
}

function textDestination(): Writable {
  return new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      process.stderr.write(textOf(line));
      done();
    },
  });
}

const LEVELS: Readonly<Record<string, string>> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };

interface Line {
  readonly level: number;
  readonly time: string;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
  readonly [field: string]: unknown;
}

/** `12:30:01.123 warn  checkpoint failed  checkpointId=7`, and the stack of an error below. */
function textOf(json: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(json) as Line;
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  if (err?.message !== undefined) parts.unshift(err.message);
  const head = `${time.slice(11, 23)} ${(LEVELS[level] ?? '').padEnd(5)} ${msg ?? ''}`;
  const stack = level >= 50 && err?.stack !== undefined ? `\n${err.stack}` : '';
  return `${[head, ...parts].join('  ')}${stack}\n`;
}
