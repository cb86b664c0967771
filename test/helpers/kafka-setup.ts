import { execFileSync } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { KafkaCluster } from '../../tools/kafka/cluster.mjs';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the cluster of this run keeps its data; `null` where none can be started. */
    readonly kafkaDir: string | null;
  }
}

/** Starts one broker for all tests of the run, and stops it behind them. */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (!hasJava()) {
    const missing = 'Kafka needs java (17 or later) and mvn on the PATH';
    if (process.env['CI'] !== undefined) throw new Error(missing);
    process.stderr.write(`The tests on a real broker are skipped: ${missing}.\n`);
    project.provide('kafkaDir', null);
    return undefined;
  }
  const dir = await mkdtemp(join(tmpdir(), 'millrace-kafka-'));
  const cluster = await KafkaCluster.start(dir, { port: FIRST_PORT, security: true });
  project.provide('kafkaDir', dir);
  return () => cluster.dispose();
}

/** Beside Kafka's own, so that a broker that runs here for other reasons is left alone. */
const FIRST_PORT = 19_092;

function hasJava(): boolean {
  try {
    execFileSync('java', ['-version'], { stdio: 'ignore' });
    execFileSync('mvn', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
