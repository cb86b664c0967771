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

/** `yyyy-MM-dd`, UTC. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** `HH:mm`, UTC. */
export function minuteOf(time: number): string {
  return new Date(time).toISOString().slice(11, 16);
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
