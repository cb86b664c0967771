/**
 * `npm run build:ui`: builds the web UI into dist/ui, unless what lies there was built from the same sources by the same
 * packages. Prints nothing when there is nothing to do.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const project = join(import.meta.dirname, '../..');
const stampFile = join(project, 'dist/ui/.built-from');

function sources(folder) {
  return readdirSync(join(project, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function stampOfSources() {
  const hash = createHash('sha256');
  for (const path of [...sources('ui'), join(project, 'package-lock.json')]) {
    hash.update(`${path.slice(project.length)}\0`).update(readFileSync(path));
  }
  return hash.digest('hex');
}

function stampOfBuild() {
  try {
    return readFileSync(stampFile, 'utf8');
  } catch {
    return '';
  }
}

const stamp = stampOfSources();
if (stamp !== stampOfBuild()) {
  const { build } = await import('vite');
  await build({ root: join(project, 'ui'), logLevel: 'error' });
  writeFileSync(stampFile, stamp);
}
