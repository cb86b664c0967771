/** The door through which `http/` sees savepoints. Implemented in `main/`. */
export interface SavepointControl {
  /**
   * Begins to take a savepoint.
   *
   * @returns the id to ask for with {@link operation}
   * @throws MillraceError `MILLRACE_NOT_READY` when the job does not run, `MILLRACE_REQUEST_INVALID` for a target that cannot be
   */
  trigger(options: SavepointRequest): string;
  /** Begins to delete a savepoint. @returns the id to ask for */
  dispose(location: string): string;
  /** How an operation goes; `undefined` for an id that was never given, or long ago. */
  operation(requestId: string): SavepointOperation | undefined;
  /** Savepoints in the default folder, oldest first. */
  list(): Promise<readonly SavepointInfo[]>;
}

export interface SavepointRequest {
  /** A folder, or `s3://bucket/prefix`; the savepoint gets a folder of its own in it. `null` for the default. */
  readonly targetDirectory: string | null;
  /** Whether the job ends with it: nothing is processed after the savepoint. */
  readonly stopsJob: boolean;
}

export interface SavepointOperation {
  readonly kind: 'savepoint' | 'disposal';
  readonly status: 'IN_PROGRESS' | 'COMPLETED';
  /** Where the savepoint is, once it is; `null` for a disposal, and after a failure. */
  readonly location: string | null;
  /** Why it failed; `null` when it has not. */
  readonly failure: Error | null;
}

export interface SavepointInfo {
  readonly location: string;
  readonly savepointId: string;
  readonly checkpointId: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly jobName: string;
}
