import { fromWire, MillraceError } from '../base/errors.js';
import type { BaseCopyRequest, WorkerEvent } from '../protocol/control-message.js';

type BaseCopied = WorkerEvent & { readonly kind: 'base-copied' };

/** Copies of bases under way in workers. Thread: main. */
export class BaseCopies {
  readonly #ask: (request: BaseCopyRequest) => Promise<readonly boolean[]>;
  /** By folder, which is each copy's own. */
  readonly #pending = new Map<string, { resolve: (checkpointId: number) => void; reject: (error: Error) => void }>();

  #isClosed = false;

  /** @param ask asks every worker; each says whether the shard is its own */
  constructor(ask: (request: BaseCopyRequest) => Promise<readonly boolean[]>) {
    this.#ask = ask;
  }

  /**
   * Has a base copied.
   *
   * @returns the checkpoint that the copy holds at least; 0 when there is no base, and no copy
   */
  async copy(request: BaseCopyRequest): Promise<number> {
    if (this.#isClosed) throw workersEnded();
    const copied = new Promise<number>((resolve, reject) => {
      this.#pending.set(request.folder, { resolve, reject });
    });
    // Handled below; unless asking fails first.
    copied.catch(() => undefined);
    try {
      const answers = await this.#ask(request);
      if (!answers.includes(true)) throw new MillraceError('MILLRACE_NOT_READY', `no worker owns ${nameOf(request)}`);
      return await copied;
    } finally {
      this.#pending.delete(request.folder);
    }
  }

  onCopied({ request, checkpointId, cause }: BaseCopied): void {
    const pending = this.#pending.get(request.folder);
    if (cause === null) pending?.resolve(checkpointId);
    else pending?.reject(fromWire(cause));
  }

  /** The workers are about to end: those asked will not answer any more. */
  abort(): void {
    for (const { reject } of this.#pending.values()) reject(workersEnded());
  }

  /** No others follow them. */
  close(): void {
    this.#isClosed = true;
    this.abort();
  }
}

function workersEnded(): MillraceError {
  return new MillraceError('MILLRACE_SHUTTING_DOWN', 'the workers ended before the state was copied');
}

function nameOf({ namespace, shard }: BaseCopyRequest): string {
  return `shard ${String(shard)} of '${namespace}'`;
}
