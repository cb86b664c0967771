import { randomBytes, randomInt } from 'node:crypto';
import * as fs from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ConnectorError, type MillraceError } from '../base/errors.js';
import { createDirectory, storageError, systemCode } from './disk.js';

/**
 * Keeps a second process off a data folder. Node has no `flock`, so the lock is a listening Unix socket in the folder:
 * the kernel closes it when its process ends, however it ends, and whoever can see the folder can ask whether it listens,
 * from another container as well. A process id is never trusted; it is in the socket's name only for the error text.
 *
 *     1. listen on `lock/<pid>-<random>.sock`          3. someone answers: give way
 *     2. knock at every other socket in `lock/`        4. no one does: remove the dead sockets, check that one's own
 *                                                         is still there, and hold the lock
 *
 * Two processes cannot both hold it: each listens before it looks, so at least one of them hears the other. A socket is
 * removed only by a process that listens itself, which its owner, should it be about to listen, then hears in step 2 or
 * misses as a removed file in step 4. Two that start at the same instant may both give way: they try again after a random pause.
 *
 * Linux and macOS, on file systems that can hold sockets. Main thread.
 */
export class DirectoryLock {
  readonly #server: Server;
  readonly #directory: number;
  #isReleased = false;

  private constructor(server: Server, directory: number) {
    this.#server = server;
    this.#directory = directory;
  }

  /**
   * Locks the folder, creating it when it is missing. Released by {@link release} or by the end of the process.
   *
   * @throws ConnectorError `MILLRACE_DATA_DIR_LOCKED` when another process, or another part of this one, holds it;
   * `MILLRACE_DATA_DIR_UNUSABLE` when the folder cannot be written to
   */
  static async acquire(dataDir: string): Promise<DirectoryLock> {
    const lockDir = join(dataDir, 'lock');
    let holder = '';
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await delay(randomInt(PAUSE_MS_MIN, PAUSE_MS_MAX));
      const outcome = await tryAcquire(lockDir);
      if (typeof outcome !== 'string') return new DirectoryLock(outcome.server, outcome.directory);
      holder = outcome;
    }
    throw lockedError(dataDir, holder);
  }

  /** Gives the folder free. May be called twice. */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    await closeServer(this.#server);
    await closeDescriptor(this.#directory); // last: on Linux the socket's path runs through this handle
  }
}

const openDescriptor = promisify(fs.open);
const closeDescriptor = promisify(fs.close);

const ATTEMPTS = 4;
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 70;
/** `sun_path` holds 104 bytes on macOS, and longer paths are cut without a word. */
const SOCKET_PATH_BYTES_MAX = 103;

interface Held {
  readonly server: Server;
  /** A bare descriptor, and no FileHandle: that would be closed when a caller drops the lock without releasing it. */
  readonly directory: number;
}

/** @returns the lock, or the name of a socket that answered */
async function tryAcquire(lockDir: string): Promise<Held | string> {
  const directory = await openDirectory(lockDir);
  const own = `${process.pid}-${randomBytes(6).toString('hex')}.sock`;
  let server: Server | null = null;
  try {
    server = await listen(socketPath(lockDir, directory, own));
    const answering = await findAnswering(lockDir, directory, own);
    if (answering === null && (await exists(join(lockDir, own)))) return { server, directory };
    await abandon(server, directory);
    return answering ?? own;
  } catch (error) {
    await abandon(server, directory);
    throw unusableError(error, lockDir);
  }
}

async function abandon(server: Server | null, directory: number): Promise<void> {
  if (server !== null) await closeServer(server);
  await closeDescriptor(directory);
}

async function openDirectory(lockDir: string): Promise<number> {
  try {
    await createDirectory(lockDir);
    return await openDescriptor(lockDir, 'r');
  } catch (error) {
    throw unusableError(error, lockDir);
  }
}

/** Knocks at every other socket; removes those that are dead. */
async function findAnswering(lockDir: string, directory: number, own: string): Promise<string | null> {
  for (const name of await readdir(lockDir)) {
    if (name === own || !name.endsWith('.sock')) continue;
    if (await answers(socketPath(lockDir, directory, name))) return name;
    await rm(join(lockDir, name), { force: true });
  }
  return null;
}

/** On Linux the path runs through the open directory, so that no folder is too deep for a socket's address. */
function socketPath(lockDir: string, directory: number, name: string): string {
  if (process.platform === 'linux') return `/proc/self/fd/${directory}/${name}`;
  const path = join(lockDir, name);
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new ConnectorError('MILLRACE_DATA_DIR_UNUSABLE', `the data folder's path is too long for a lock: '${path}'`, {
      details: { path, bytesMax: SOCKET_PATH_BYTES_MAX },
      hint: 'Choose a data folder with a shorter path.',
    });
  }
  return path;
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => {
      server.removeListener('error', reject);
      server.on('error', () => undefined); // a failed accept (out of handles) must not end the process
      server.unref();
      resolve(server);
    });
  });
}

/** Whether someone listens. The kernel answers for a listener whose event loop is busy; in doubt the answer is yes. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = systemCode(error);
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

function lockedError(dataDir: string, holder: string): MillraceError {
  const pid = Number.parseInt(holder, 10);
  return new ConnectorError('MILLRACE_DATA_DIR_LOCKED', `the data folder '${dataDir}' is in use by process ${pid}`, {
    details: { path: dataDir, pid },
    hint: 'Stop that process, or start this one with another data folder.',
  });
}

function unusableError(error: unknown, lockDir: string): MillraceError {
  const code = systemCode(error);
  if (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP') return storageError(error, 'lock the data folder', lockDir);
  return new ConnectorError(
    'MILLRACE_DATA_DIR_UNUSABLE',
    `the file system of '${lockDir}' cannot hold a lock (${code})`,
    {
      details: { path: lockDir, systemCode: code },
      hint: 'Put the data folder on a local file system.',
      cause: error,
    },
  );
}
