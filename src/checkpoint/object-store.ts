/**
 * Where checkpoints outlive a machine: named objects, written whole. Two adapters, one contract that both pass:
 * DirectoryObjectStore for a folder that several machines share, and S3ObjectStore for object storage.
 *
 * Keys are texts of letters, digits and `-_.~%/`; no part between slashes is empty or `..`. Any thread.
 */
export interface ObjectStore {
  /** Where it is, for logs and errors: never with credentials. */
  readonly location: string;
  /** Writes an object. Resolves when it is durable; readers then see it whole. One that is there is replaced. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** The object's bytes; `null` when there is none. */
  get(key: string): Promise<Buffer | null>;
  /** Every key that begins with `prefix`, sorted. A prefix ends in a slash. */
  list(prefix: string): Promise<string[]>;
  /** Deletes an object, if it is there. */
  delete(key: string): Promise<void>;
  /** Removes what is left of a store whose objects are all deleted: empty folders, where there are folders. */
  removeEmpty(): Promise<void>;
}

/** Environment variables: what credentials come from. */
export type Environment = Readonly<Record<string, string | undefined>>;
