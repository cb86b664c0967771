import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeOnKafka, sharedCluster, uniqueName } from '../helpers/kafka.js';
import { projectPath, readProjectFile } from '../helpers/project-files.js';
import { runProgram } from '../helpers/run-program.js';
import { withService } from '../helpers/service-process.js';

/** The commands of the section on Kafka, each as its arguments after `node`. */
function commandsOfReadme(): string[][] {
  const section = readProjectFile('examples/README.md').split('On Kafka, with a broker')[1] ?? '';
  const block = /```sh\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
  return block
    .trim()
    .split('\n')
    .map((line) => line.split(' ').slice(1));
}

describeOnKafka('The example of a foreign service', () => {
  it('asks a job and gets its answer, by the commands of its README', async () => {
    const { bootstrap } = await sharedCluster();
    const [broker, job, client] = commandsOfReadme();
    expect(broker).toEqual(['tools/kafka/broker.mjs', 'start']);
    expect(job?.[0]).toBe('dist/main.js');
    const onBroker = (args: readonly string[] = []): string[] =>
      args.map((arg) => (arg === 'localhost:9092' ? bootstrap : arg));
    const args = onBroker(job).slice(1);
    args[args.indexOf('--job') + 1] = projectPath('dist/examples/counters/job.js');
    args[args.indexOf('--group') + 1] = uniqueName('example');
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-example-'));
    try {
      await withService({ args, dataDir }, async (service) => {
        await service.post('/counters/visits', { amount: 40 });
        const [script = '', ...clientArgs] = onBroker(client);
        const { code, stdout, stderr } = await runProgram(process.execPath, [projectPath(script), ...clientArgs]);
        expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '{"name":"visits","value":42}\n', stderr: '' });
      });
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
