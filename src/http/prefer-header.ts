/** What a client prefers (RFC 7240). Unknown preferences are ignored, as the RFC asks. */
export interface Preferences {
  /** It would rather fetch the answer later than wait for it. */
  readonly respondAsync: boolean;
  /** With `respondAsync`: how long it would wait before that, in milliseconds. 0 when it does not say. */
  readonly waitMs: number;
}

const NONE: Preferences = { respondAsync: false, waitMs: 0 };
const WAIT_SECONDS = /^[0-9]{1,6}$/;

/** Reads a `Prefer` header. The first of two preferences of one name wins. */
export function parsePrefer(header: string | undefined): Preferences {
  if (header === undefined) return NONE;
  let respondAsync = false;
  let waitMs: number | null = null;
  for (const preference of header.split(',')) {
    const [token = ''] = preference.split(';', 1);
    const equals = token.indexOf('=');
    const name = (equals < 0 ? token : token.slice(0, equals)).trim().toLowerCase();
    const value =
      equals < 0
        ? ''
        : token
            .slice(equals + 1)
            .trim()
            .replaceAll('"', '');
    if (name === 'respond-async') respondAsync = true;
    if (name === 'wait' && waitMs === null && WAIT_SECONDS.test(value)) waitMs = Number(value) * 1_000;
  }
  return respondAsync ? { respondAsync, waitMs: waitMs ?? 0 } : NONE;
}
