/**
 * Loaded into the service under `millrace chaos` by `--import`, before anything else: ends one of its worker threads when the
 * process is sent SIGUSR2. So any job's workers can die, without the job's help.
 */
import workerThreads, { isMainThread, Worker, type WorkerOptions } from 'node:worker_threads';
import { syncBuiltinESMExports } from 'node:module';

// Worker threads load it as well.
if (isMainThread) {
  const alive: Worker[] = [];

  class MortalWorker extends Worker {
    constructor(file: string | URL, options?: WorkerOptions) {
      super(file, options);
      alive.push(this);
      this.once('exit', () => alive.splice(alive.indexOf(this), 1));
    }
  }

  // For those who require the module, as the pool of workers does; the next line is for those who import it.
  Object.assign(workerThreads, { Worker: MortalWorker });
  syncBuiltinESMExports();
  let turn = 0;
  process.on('SIGUSR2', () => void alive[turn++ % alive.length]?.terminate());
}
