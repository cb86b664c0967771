/** The scalar functions that the queries use, with SQL's meaning. */

/** `0.908 * price` as a DECIMAL with three digits: exact, by integers. */
export function inEuros(price: number): string {
  const thousandths = price * 908;
  const whole = Math.floor(thousandths / 1_000);
  return `${whole}.${String(thousandths % 1_000).padStart(3, '0')}`;
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
  return text.split(char).length - 1;
}

export function channelIdOf(url: string): string | null {
  return /(&|^)channel_id=([^&]*)/.exec(url)?.[2] ?? null;
}

/** Part `index` of a text between separators; `null` when there are not so many. */
export function splitIndex(text: string, separator: string, index: number): string | null {
  return text.split(separator)[index] ?? null;
}
