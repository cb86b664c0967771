import { createHash, timingSafeEqual } from 'node:crypto';

/** A token that a request may show: `authorization: Bearer …` (RFC 6750). Comparing it tells nothing about it by its time. */
export class BearerToken {
  readonly #hash: Buffer;

  constructor(token: string) {
    this.#hash = hashOf(token);
  }

  isIn(authorization: string | undefined): boolean {
    const [scheme = '', ...words] = (authorization ?? '').split(' ');
    if (scheme.toLowerCase() !== 'bearer') return false;
    const token = words.join(' ');
    // Hashes have one length, so that the comparison tells nothing about the token's.
    return timingSafeEqual(hashOf(token), this.#hash);
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
