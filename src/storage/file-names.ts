import { createHash } from 'node:crypto';

/** Longer names are cut: file systems allow 255 bytes, and more is added. */
const NAME_BYTES_MAX = 120;
const KEPT_BYTES = 80;

/** A file name for a text that may hold any character, such as an operator's uid; different texts have different names. */
export function fileNameOf(text: string): string {
  // A lone surrogate has no percent-encoding: such a text is told by its hash.
  const wellFormed = text.replaceAll(/\p{Surrogate}/gu, '\ufffd');
  const name = encodeURIComponent(wellFormed).replaceAll('*', '%2A').replace(/^\./, '%2E');
  if (wellFormed === text && name.length <= NAME_BYTES_MAX) return name;
  const hash = createHash('sha256').update(text, 'utf16le').digest('hex').slice(0, 16);
  return `${name.slice(0, KEPT_BYTES)}~~${hash}`;
}
