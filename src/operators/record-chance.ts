import type { RecordScope } from './operator.js';

/**
 * `ctx.random()` and `ctx.uuid()`: chance that a replay repeats.
 *
 * Each draw is a hash of where the record came from (source, topic partition, offset, time of append), the operator, the
 * current key, and how many draws were made before for the same of these. So the same record gives the same draws after a
 * restart, at any parallelism; two records, two keys, or two operators give different ones. A draw in a timer depends on
 * the operator, the key and the timer's timestamp, which stand in the scope while it fires.
 *
 * Not secret: anyone who knows a record's position can compute the draw.
 */
export class RecordChance {
  readonly #scope: RecordScope;
  /** Hash of job and operator, in two words. */
  readonly #operatorHigh: number;
  readonly #operatorLow: number;
  readonly #words = new Int32Array(4);
  #source = 0;
  #partition = 0;
  #offset = NaN;
  #time = NaN;
  #keyHash = NaN;
  #drawCount = 0;

  constructor(scope: RecordScope, jobName: string, operatorId: string) {
    this.#scope = scope;
    const name = `${jobName}\u0000${operatorId}`;
    this.#operatorHigh = hashText(name, 0x2545f491);
    this.#operatorLow = hashText(name, 0x6c8e9cf5);
  }

  /** A float in [0, 1) with 53 random bits. */
  nextFloat(keyHash: number): number {
    const words = this.#draw(keyHash);
    return (((words[0] as number) >>> 5) * 67108864 + ((words[1] as number) >>> 6)) / 9007199254740992;
  }

  /** A version-4 UUID. */
  nextUuid(keyHash: number): string {
    const words = this.#draw(keyHash);
    const a = hex(words[0] as number);
    const b = hex(((words[1] as number) & 0xffff0fff) | 0x00004000);
    const c = hex(((words[2] as number) & 0x3fffffff) | 0x80000000);
    const d = hex(words[3] as number);
    return `${a}-${b.slice(0, 4)}-${b.slice(4)}-${c.slice(0, 4)}-${c.slice(4)}${d}`;
  }

  #draw(keyHash: number): Int32Array {
    const scope = this.#scope;
    const isSameOrigin =
      scope.originOffset === this.#offset &&
      scope.originPartition === this.#partition &&
      scope.originSource === this.#source &&
      scope.originTime === this.#time &&
      keyHash === this.#keyHash;
    if (!isSameOrigin) {
      this.#source = scope.originSource;
      this.#partition = scope.originPartition;
      this.#offset = scope.originOffset;
      this.#time = scope.originTime;
      this.#keyHash = keyHash;
      this.#drawCount = 0;
    }
    const words = this.#words;
    words[0] = this.#operatorHigh;
    words[1] = this.#operatorLow;
    words[2] = 0;
    words[3] = 0;
    absorb(words, scope.originSource, scope.originPartition);
    absorb(words, Math.floor(scope.originOffset / 4294967296), scope.originOffset);
    absorb(words, Math.floor(scope.originTime / 4294967296), scope.originTime);
    absorb(words, Math.floor(keyHash / 4294967296), keyHash);
    absorb(words, this.#drawCount++, 0x9e3779b9);
    finish(words);
    return words;
  }
}

/** A hash of a key with 53 bits, 0 for no key. Strings and numbers, the common kinds, cost no allocation. */
export function hashKey(key: unknown): number {
  if (key === undefined || key === null) return 0;
  if (typeof key === 'number' && Number.isSafeInteger(key)) return key;
  const text = typeof key === 'string' ? key : `\u0000${JSON.stringify(key)}`;
  return (hashText(text, 0x51ed270b) & 0x1fffff) * 4294967296 + (hashText(text, 0x1b56c4e9) >>> 0);
}

/** FNV-like over UTF-16 units, with a final mix, since FNV alone leaves the high bits weak. */
function hashText(text: string, seed: number): number {
  let h = seed | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h ^ text.length);
}

/**
 * One round of a 128-bit block mixer with 32-bit multiplications.
 *
 * Source of the constants and of the round's form: Austin Appleby's MurmurHash3 (public domain), x86, 128 bits.
 */
function absorb(words: Int32Array, a: number, b: number): void {
  let h1 = words[0] as number;
  let h2 = words[1] as number;
  let h3 = words[2] as number;
  let h4 = words[3] as number;
  const k1 = Math.imul(rotateLeft(Math.imul(a | 0, 0x239b961b), 15), 0xab0e9789);
  const k2 = Math.imul(rotateLeft(Math.imul(b | 0, 0xab0e9789), 16), 0x38b34ae5);
  h1 = (Math.imul((rotateLeft(h1 ^ k1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
  h2 = (Math.imul((rotateLeft(h2 ^ k2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
  h3 = (Math.imul((rotateLeft(h3 ^ k1, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
  h4 = (Math.imul((rotateLeft(h4 ^ k2, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  words[0] = h1;
  words[1] = h2;
  words[2] = h3;
  words[3] = h4;
}

function finish(words: Int32Array): void {
  for (let round = 0; round < 2; round++) {
    let sum = 0;
    for (let i = 0; i < 4; i++) sum = (sum + (words[i] as number)) | 0;
    for (let i = 0; i < 4; i++) words[i] = mix((words[i] as number) + Math.imul(sum, 2 * i + 1));
  }
}

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
