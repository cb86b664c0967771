import { vi } from 'vitest';
import { kafkaService, uniqueName } from './kafka.js';
import { ServiceProcess } from './service-process.js';
import { withTemporaryDirectory } from './temporary-directory.js';

/** Instances of one group, with a folder for the state of shards that move. */
export async function withInstances(
  options: InstancesOptions,
  use: (group: Instances) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (folder) => {
    const group = new Instances(uniqueName('group'), folder, options);
    try {
      await use(group);
    } finally {
      await Promise.all(group.instances.map((instance) => instance.dispose()));
    }
  });
}

/** A bound against hanging. */
const SETTLED_WAIT_MS = 120_000;
/** Of what each instance said, when they do not settle. */
const SHOWN_CHARACTERS = 4000;

export interface InstancesOptions {
  /** A job of `test/fixtures/jobs`. @defaultValue kafka-counters */
  readonly fixture?: string;
  /** @defaultValue 300 */
  readonly checkpointIntervalMs?: number;
  /** Further settings of each. */
  readonly args?: readonly string[];
}

export class Instances {
  readonly instances: ServiceProcess[] = [];
  /** Of the job, and of the group. */
  readonly name: string;
  readonly #folder: string;
  readonly #options: InstancesOptions;

  constructor(name: string, folder: string, options: InstancesOptions) {
    this.name = name;
    this.#folder = folder;
    this.#options = options;
  }

  /**
   * Starts another instance, and waits until it has shards, or, of one that stands by, until it is in the group.
   *
   * @param options `dataDir`: of an instance that has ended, to go on with what lies there
   */
  async join({ dataDir, standsBy = false }: { dataDir?: string; standsBy?: boolean } = {}): Promise<ServiceProcess> {
    const args = [
      '--kafka-state-store',
      this.#folder,
      '--kafka-session-timeout-ms',
      '3000',
      '--checkpoint-interval-ms',
      String(this.#options.checkpointIntervalMs ?? 300),
      '--log-format',
      'json',
      ...(this.#options.args ?? []),
    ];
    const options = await kafkaService(this.name, { args });
    const instance = await ServiceProcess.start({
      ...options,
      job: this.#options.fixture ?? 'kafka-counters',
      ...(dataDir === undefined ? {} : { dataDir }),
    });
    this.instances.push(instance);
    if (!standsBy) await instance.until(() => shardsOf(instance).length > 0, 'shards');
    return instance;
  }

  /** Waits until the shards of these instances are settled: each has one owner. */
  async settled(instances: readonly ServiceProcess[]): Promise<number[]> {
    const counts = (): number[] => instances.map((instance) => shardsOf(instance).length);
    const areSettled = (): boolean =>
      new Set(instances.flatMap(shardsOf)).size === 16 && counts().reduce((a, b) => a + b) === 16;
    try {
      await vi.waitUntil(areSettled, { timeout: SETTLED_WAIT_MS });
    } catch {
      const said = instances.map(({ stderr }, index) => `--- instance ${index}\n${stderr.slice(-SHOWN_CHARACTERS)}`);
      throw new Error(`the shards are not settled: ${counts().join(', ')}\n${said.join('\n')}`);
    }
    return counts();
  }
}

/** What an instance says of the state of the shards that it was given last. */
export interface TakenOverState {
  readonly keptBases: number;
  readonly fetchedBases: number;
  readonly keptSegments: number;
  readonly fetchedSegments: number;
}

export function stateTakenOver(instance: ServiceProcess): TakenOverState | null {
  const line = instance.stderr.split('\n').findLast((text) => text.includes('"state of the shards is here"'));
  return line === undefined ? null : (JSON.parse(line) as TakenOverState);
}

/** What an instance says that it runs. */
export function shardsOf(instance: ServiceProcess): readonly number[] {
  const lines = instance.stderr.split('\n').filter((line) => line.includes('"shards of this instance"'));
  const last = lines.at(-1);
  return last === undefined ? [] : (JSON.parse(last) as { shards: number[] }).shards;
}
