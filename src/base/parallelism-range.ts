/** Numbers of workers between which a job may move by itself. */
export interface ParallelismRange {
  readonly least: number;
  readonly most: number;
}

/** Reads `min..max`; `null` when it is none. */
export function parseParallelismRange(text: string): ParallelismRange | null {
  const [, least, most] = /^(\d{1,3})\.\.(\d{1,3})$/.exec(text) ?? [];
  if (least === undefined || most === undefined) return null;
  const range = { least: Number(least), most: Number(most) };
  return range.least >= 1 && range.least <= range.most ? range : null;
}
