import { fileURLToPath } from 'node:url';

/** The program itself, for commands that start it as a process. */
export function mainFile(): string {
  return fileURLToPath(new URL('../main.js', import.meta.url));
}
