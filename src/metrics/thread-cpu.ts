import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Processor time of a single thread, as Linux counts it. Node itself tells only that of the process before its version 24.
 */

/** The operating system's number of the thread that calls; 0 where there is none to be had. */
export function osThreadId(): number {
  try {
    // `<process>/task/<thread>`
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1)) || 0;
  } catch {
    return 0;
  }
}

/** Milliseconds of processor time that a thread of this process has used; `null` where the system does not say. */
export function threadCpuMs(threadId: number): number | null {
  if (threadId === 0) return null;
  try {
    const [nanoseconds = ''] = readFileSync(`/proc/self/task/${threadId}/schedstat`, 'utf8').split(' ', 1);
    return Number(nanoseconds) / 1e6;
  } catch {
    return null;
  }
}
