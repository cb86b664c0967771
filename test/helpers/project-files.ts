import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The project's own files, for the tests that hold the tree to its rules. */

const root = new URL('../../', import.meta.url);

/** The absolute path of a file or folder of the project. */
export function projectPath(path: string): string {
  return fileURLToPath(new URL(path, root));
}

/** The text of a file of the project. */
export function readProjectFile(path: string): string {
  return readFileSync(projectPath(path), 'utf8');
}

/** Every file under a folder of the project, as paths from the project's root, sorted; empty when there is no such folder. */
export function projectFiles(folder: string, extension: string): string[] {
  return listFiles(folder)
    .filter((path) => path.endsWith(extension))
    .sort();
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(projectPath(folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${folder}${`${entry.parentPath}/${entry.name}`.slice(projectPath(folder).length)}`);
  } catch {
    return [];
  }
}
