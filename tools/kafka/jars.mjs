/**
 * Apache Kafka's jars, fetched by Maven once per version and kept outside the project.
 *
 * Environment: MILLRACE_KAFKA_CACHE, the folder they are kept in; ~/.cache/millrace-kafka when it is not set.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const pom = fileURLToPath(new URL('pom.xml', import.meta.url));

/** @returns {string} where jars and broker data lie unless somebody says otherwise */
export function cacheDir() {
  return process.env['MILLRACE_KAFKA_CACHE'] ?? join(homedir(), '.cache', 'millrace-kafka');
}

/**
 * The class path of a Kafka version, fetched when it is not there yet. Two calls at once do no harm: the first rename wins.
 *
 * @param {string | null} wanted a version; `null` for the one in pom.xml
 * @returns {Promise<{ version: string, classPath: string }>}
 */
export async function kafkaJars(wanted = null) {
  const version = wanted ?? (await defaultVersion());
  const jars = join(cacheDir(), `jars-${version}`);
  if (!existsSync(jars)) await fetchJars(version, jars);
  return { version, classPath: join(jars, '*') };
}

async function defaultVersion() {
  const version = /<kafka\.version>(.+)<\/kafka\.version>/.exec(await readFile(pom, 'utf8'))?.[1];
  if (version === undefined) throw new Error('tools/kafka/pom.xml names no version of Kafka');
  return version;
}

async function fetchJars(version, target) {
  await mkdir(cacheDir(), { recursive: true });
  const work = await mkdtemp(join(cacheDir(), 'fetch-'));
  try {
    // A copy, so that Maven leaves nothing beside the one in the project.
    await copyFile(pom, join(work, 'pom.xml'));
    await run('mvn', [
      '-q',
      '-B',
      '-f',
      join(work, 'pom.xml'),
      'dependency:copy-dependencies',
      `-Dkafka.version=${version}`,
      '-DincludeScope=runtime',
      `-DoutputDirectory=${join(work, 'lib')}`,
    ]);
    await rename(join(work, 'lib'), target);
  } catch (error) {
    if (existsSync(target)) return;
    const said = /** @type {{ stdout?: string }} */ (error).stdout ?? '';
    throw new Error(`Kafka ${version} could not be fetched by Maven\n${said}`, { cause: error });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
