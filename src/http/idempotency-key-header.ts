/**
 * The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a string of RFC 8941, such as
 * `"8e03978e-40d5-43dd-bc93-6894a57f9324"`. Many clients leave out the quotes: both forms of one text are one key.
 */

export const IDEMPOTENCY_KEY_HEADER = 'idempotency-key';
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** Printable ASCII, in which quotes and backslashes are escaped. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"$/;
/** Without a comma, which would be two headers joined. */
const BARE = /^[\x21\x23-\x2b\x2d-\x7e]+$/;

/** @returns the key; `null` when the header is none */
export function parseIdempotencyKey(header: string | readonly string[]): string | null {
  if (typeof header !== 'string') return null;
  const text = header.trim();
  const quoted = QUOTED.exec(text)?.[1];
  const key = quoted === undefined ? text : quoted.replaceAll(/\\(["\\])/g, '$1');
  const isWellFormed = quoted !== undefined || BARE.test(text);
  return isWellFormed && key.length <= IDEMPOTENCY_KEY_LENGTH_MAX ? key : null;
}
