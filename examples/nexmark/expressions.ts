/** The scalar functions that the queries use, with SQL's meaning. */

/** A DECIMAL with three digits after the point: exact, since it is counted in integers. It becomes text where a row is written. */
export class Thousandths {
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  toJSON(): string {
    return `${Math.floor(this.#count / 1_000)}.${String(this.#count % 1_000).padStart(3, '0')}`;
  }
}

/** `0.908 * price` */
export function inEuros(price: number): Thousandths {
  return new Thousandths(price * 908);
}

export function hourOf(time: number): number {
  return new Date(time).getUTCHours();
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Days since the epoch, UTC. */
export function dayNumberOf(time: number): number {
  return Math.floor(time / DAY_MS);
}

/** Days and minutes as text, UTC. Remembers the last one: times that follow each other mostly share it. */
export class Calendar {
  #day = NaN;
  #dayText = '';
  #minute = NaN;
  #minuteText = '';

  /** `yyyy-MM-dd` */
  dayOf(time: number): string {
    const day = dayNumberOf(time);
    if (day !== this.#day) {
      this.#day = day;
      this.#dayText = new Date(time).toISOString().slice(0, 10);
    }
    return this.#dayText;
  }

  /** `HH:mm` */
  minuteOf(time: number): string {
    const minute = Math.floor(time / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#minuteText = new Date(time).toISOString().slice(11, 16);
    }
    return this.#minuteText;
  }
}

export function countChar(text: string, char: string): number {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0; at = text.indexOf(char, at + 1)) count++;
  return count;
}

export function channelIdOf(url: string): string | null {
  return /(&|^)channel_id=([^&]*)/.exec(url)?.[2] ?? null;
}

/** Part `index` of a text between separators; `null` when there are not so many. */
export function splitIndex(text: string, separator: string, index: number): string | null {
  return text.split(separator)[index] ?? null;
}
