import type { Auction, Bid, NexmarkEvent, Person } from './events.js';

/**
 * The events of the auction house, each computed from its number alone: 32-bit integer arithmetic, so that every language
 * and every machine gives the same events. Of fifty events one is a person, three are auctions, the rest are bids.
 *
 * Chance is a counter that is mixed (SplitMix32), set anew for each event from its number.
 */

const SEED = 0x5eed1234;
const EVENTS_PER_ROUND = 50;
const POOL_LENGTH = 65_536;
const URL_COUNT = 10_000;
const FIRST_ID = 1_000;
const TEXT_BYTES_MAX = 100;
const LETTER_A = 97;
const SPACE = 32;
const UNDERSCORE = 95;
/** An auction ends, on average, when about so many more events have happened. */
const AUCTION_EVENTS = 1_666;

const STATES = ['AZ', 'CA', 'ID', 'OR', 'WA', 'WY'] as const;
const CITIES = [
  'Phoenix',
  'Los Angeles',
  'San Francisco',
  'Boise',
  'Portland',
  'Bend',
  'Redmond',
  'Seattle',
  'Kent',
  'Cheyenne',
] as const;
const FIRST_NAMES = [
  'Peter',
  'Paul',
  'Luke',
  'John',
  'Saul',
  'Vicky',
  'Kate',
  'Julie',
  'Sarah',
  'Deiter',
  'Walter',
] as const;
const LAST_NAMES = ['Shultz', 'Abrams', 'Spencer', 'White', 'Bartels', 'Walton', 'Smith', 'Jones', 'Noris'] as const;
const FOUR_DIGITS = Array.from({ length: 10_000 }, (_, number) => String(number).padStart(4, '0'));
const HOT_CHANNELS = ['Google', 'Facebook', 'Baidu', 'Apple'] as const;
const PRICE_BASES = [100, 1e3, 1e4, 1e5, 1e6, 1e7] as const;

/** Event n happens at `baseTime + n * msNumerator / msDenominator` milliseconds, rounded down. */
export interface EventTimes {
  readonly baseTime: number;
  readonly msNumerator: number;
  readonly msDenominator: number;
}

function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** Chance of one event at a time. */
class Chance {
  #state = 0;
  /** Where a text is put together: letter by letter as strings costs half as much again. */
  readonly #text = Buffer.alloc(TEXT_BYTES_MAX);

  restart(seed: number): void {
    this.#state = mix(seed);
  }

  /** 0 … bound - 1. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= (z + Math.imul(z ^ (z >>> 7), z | 61)) | 0;
    return ((z ^ (z >>> 14)) >>> 1) % bound;
  }

  letter(): number {
    return LETTER_A + this.below(26);
  }

  /** Three letters up to `lengthMax - 1`, one in thirteen the separator; spaces at the ends are cut off. */
  text(lengthMax: number, separator: number): string {
    const length = 3 + this.below(lengthMax - 3);
    for (let i = 0; i < length; i++) this.#text[i] = this.below(13) === 0 ? separator : this.letter();
    let [start, end] = [0, length];
    while (start < end && this.#text[start] === SPACE) start++;
    while (start < end && this.#text[end - 1] === SPACE) end--;
    return this.#text.toString('latin1', start, end);
  }
}

/** One instance per thread: it keeps the state of chance. */
export class NexmarkGenerator {
  readonly #times: EventTimes;
  readonly #chance = new Chance();
  readonly #hotUrls: readonly string[];
  readonly #urls: readonly string[];
  readonly #channels: readonly string[];
  /** What every `extra` is a piece of. */
  readonly #pool: string;

  constructor(times: EventTimes) {
    this.#times = times;
    this.#chance.restart(SEED ^ 0x0ace0001);
    this.#hotUrls = HOT_CHANNELS.map(() => this.#baseUrl());
    this.#urls = Array.from({ length: URL_COUNT }, (_, channel) => this.#channelUrl(channel));
    this.#channels = Array.from({ length: URL_COUNT }, (_, channel) => `channel-${String(channel)}`);
    this.#pool = Buffer.from(Array.from({ length: POOL_LENGTH }, () => this.#chance.letter())).toString('latin1');
  }

  timeOf(number: number): number {
    const { baseTime, msNumerator, msDenominator } = this.#times;
    return baseTime + Math.floor((number * msNumerator) / msDenominator);
  }

  /** Event `number`, from 0 and below 2^31. */
  event(number: number): NexmarkEvent {
    this.#chance.restart((Math.imul(number, 0x9e3779b1) + SEED) | 0);
    const place = number % EVENTS_PER_ROUND;
    if (place < 1) return { event_type: 0, person: this.#person(number) };
    if (place < 4) return { event_type: 1, auction: this.#auction(number) };
    return { event_type: 2, bid: this.#bid(number) };
  }

  /** By how many milliseconds an event comes later than it happened: most of them by none, two in a thousand by much. */
  delayOf(number: number): number {
    this.#chance.restart((Math.imul(number, 0x85ebca77) + (SEED ^ 0x0de1a7)) | 0);
    const draw = this.#chance.below(1_000);
    if (draw < 2) return 2_500 + this.#chance.below(15_000);
    return draw < 252 ? 1 + this.#chance.below(1_999) : 0;
  }

  /** The first `count` events in the order in which they come. */
  inOrderOfArrival(count: number): NexmarkEvent[] {
    const arrivals = Array.from({ length: count }, (_, number) => ({
      number,
      time: this.timeOf(number) + this.delayOf(number),
    }));
    arrivals.sort((a, b) => a.time - b.time || a.number - b.number);
    return arrivals.map(({ number }) => this.event(number));
  }

  #person(number: number): Person {
    const chance = this.#chance;
    const name = `${FIRST_NAMES[chance.below(11)] ?? ''} ${LAST_NAMES[chance.below(9)] ?? ''}`;
    const emailAddress = `${chance.text(7, SPACE)}@${chance.text(5, SPACE)}.com`;
    const creditCard = `${this.#fourDigits()} ${this.#fourDigits()} ${this.#fourDigits()} ${this.#fourDigits()}`;
    const city = CITIES[chance.below(10)] ?? '';
    const state = STATES[chance.below(6)] ?? '';
    const bytes = 8 + name.length + emailAddress.length + creditCard.length + city.length + state.length;
    return {
      id: lastPerson(number) + FIRST_ID,
      name,
      emailAddress,
      creditCard,
      city,
      state,
      dateTime: this.timeOf(number),
      extra: this.#extra(bytes, 200),
    };
  }

  #auction(number: number): Auction {
    const chance = this.#chance;
    const dateTime = this.timeOf(number);
    const isHot = chance.below(4) > 0;
    const seller = (isHot ? hot(lastPerson(number)) : this.#anyPerson(number)) + FIRST_ID;
    const category = 10 + chance.below(5);
    const initialBid = this.#price();
    const horizon = this.timeOf(number + AUCTION_EVENTS) - dateTime;
    const expires = dateTime + 1 + chance.below(Math.max(horizon * 2, 1));
    const itemName = chance.text(20, SPACE);
    const description = chance.text(100, SPACE);
    const reserve = initialBid + this.#price();
    return {
      id: lastAuction(number) + FIRST_ID,
      itemName,
      description,
      initialBid,
      reserve,
      dateTime,
      expires,
      seller,
      category,
      extra: this.#extra(48 + itemName.length + description.length, 500),
    };
  }

  #bid(number: number): Bid {
    const chance = this.#chance;
    const isHotAuction = chance.below(2) > 0;
    const auction = (isHotAuction ? hot(lastAuction(number)) : this.#anyAuction(number)) + FIRST_ID;
    const isHotBidder = chance.below(4) > 0;
    const bidder = (isHotBidder ? hot(lastPerson(number)) + 1 : this.#anyPerson(number)) + FIRST_ID;
    const price = this.#price();
    const isHotChannel = chance.below(2) > 0;
    const index = chance.below(isHotChannel ? HOT_CHANNELS.length : URL_COUNT);
    return {
      auction,
      bidder,
      price,
      channel: (isHotChannel ? HOT_CHANNELS[index] : this.#channels[index]) ?? '',
      url: (isHotChannel ? this.#hotUrls[index] : this.#urls[index]) ?? '',
      dateTime: this.timeOf(number),
      extra: this.#extra(32, 100),
    };
  }

  #fourDigits(): string {
    return FOUR_DIGITS[this.#chance.below(FOUR_DIGITS.length)] ?? '';
  }

  #price(): number {
    const base = PRICE_BASES[this.#chance.below(6)] ?? 0;
    return base + this.#chance.below(9 * base);
  }

  /** Fills an event of `bytes` up to about `average`. */
  #extra(bytes: number, average: number): string {
    if (bytes > average) return '';
    const wanted = average - bytes;
    const spread = Math.trunc((wanted + 2) / 5);
    const length = wanted - spread + (spread === 0 ? 0 : this.#chance.below(2 * spread));
    const offset = this.#chance.below(POOL_LENGTH - length);
    return this.#pool.substring(offset, offset + length);
  }

  #anyPerson(number: number): number {
    const count = lastPerson(number) + 1;
    const active = Math.min(count, 1_000);
    return count - active + this.#chance.below(active + 10);
  }

  #anyAuction(number: number): number {
    const last = lastAuction(number);
    const least = Math.max(last - 100, 0);
    return least + this.#chance.below(last - least + 11);
  }

  #baseUrl(): string {
    const part = (): string => this.#chance.text(5, UNDERSCORE);
    return `https://www.nexmark.com/${part()}/${part()}/${part()}/item.htm?query=1`;
  }

  #channelUrl(channel: number): string {
    const url = this.#baseUrl();
    return this.#chance.below(10) > 0 ? `${url}&channel_id=${String(reversedBits(channel) & 0x7fffffff)}` : url;
  }
}

/** Which fifty events an event belongs to. As a 32-bit integer, so that it is a multiplication, not a division. */
function roundOf(number: number): number {
  return (number / EVENTS_PER_ROUND) | 0;
}

/** The newest person when event `number` happens, from 0. */
function lastPerson(number: number): number {
  return roundOf(number);
}

/** The newest auction when event `number` happens, from 0. */
function lastAuction(number: number): number {
  const round = roundOf(number);
  const place = number - round * EVENTS_PER_ROUND;
  if (place < 1) return round * 3 - 1;
  return round * 3 + Math.min(place - 1, 2);
}

function hot(id: number): number {
  return ((id / 100) | 0) * 100;
}

function reversedBits(value: number): number {
  let reversed = 0;
  for (let rest = value, bit = 0; bit < 32; bit++, rest >>>= 1) reversed = (reversed << 1) | (rest & 1);
  return reversed;
}
