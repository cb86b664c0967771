/**
 * Loaded into the service under `millrace chaos` by `--import`, in each of its threads: the clock of the machine, as if it were set
 * forward and back by whoever writes milliseconds into the file that the query of its URL names. Only root may set the real one, and
 * then for all processes. What counts time by itself, as timers and `performance.now()` do, goes on as it would on such a machine.
 */
import { readFileSync } from 'node:fs';

/** How old what is known of the file may be. */
const LOOK_MS = 20;

const path = new URL(import.meta.url).searchParams.get('clock');
if (path !== null) {
  const RealDate = Date;
  let skewMs = 0;
  let lookAt = 0;

  const now = (): number => {
    const elapsed = performance.now();
    if (elapsed >= lookAt) {
      lookAt = elapsed + LOOK_MS;
      skewMs = skewIn(path);
    }
    return RealDate.now() + skewMs;
  };

  globalThis.Date = new Proxy(RealDate, {
    construct: (target, parts: readonly unknown[], newTarget) =>
      Reflect.construct(target, parts.length === 0 ? [now()] : parts, newTarget) as object,
    get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
  });
}

/** Nobody has set the clock while there is no file. */
function skewIn(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}
