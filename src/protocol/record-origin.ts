/** Which record of which source something came from: what stays the same however often the job runs it. */
export interface RecordOrigin {
  /** The source's uid. */
  readonly sourceId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** As text, unique among the records of a job. */
export function originName({ sourceId, partition, offset }: Omit<RecordOrigin, 'topic'>): string {
  return `${sourceId}:${String(partition)}:${String(offset)}`;
}
