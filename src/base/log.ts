/**
 * Where log lines go: structured fields first, then a lower-case fragment as text (pino's own order). `error`: data or
 * availability is lost and someone must look; `warn`: unexpected but handled; `info`: a state change of the job;
 * `debug`: the rest. Nothing is logged per record.
 */
export interface Logger {
  error(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  info(fields: object, text: string): void;
  debug(fields: object, text: string): void;
}

/** Discards everything: for tests and for parts that have no one to tell. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};
