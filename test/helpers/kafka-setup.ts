import { execFileSync } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { KafkaCluster } from '../../tools/kafka/cluster.mjs';
import { freePort } from './free-port.js';

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
  const cluster = await KafkaCluster.start(dir, { port: await freePort(PORTS), security: true });
  project.provide('kafkaDir', dir);
  return () => cluster.dispose();
}

/** Of a broker, its controller and three secure listeners. */
const PORTS = 5;

function hasJava(): boolean {
  try {
    execFileSync('java', ['-version'], { stdio: 'ignore' });
    execFileSync('mvn', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
