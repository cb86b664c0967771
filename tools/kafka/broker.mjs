#!/usr/bin/env node
/** Apache Kafka on this machine, from the command line. The work is in cluster.mjs. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KafkaCluster } from './cluster.mjs';
import { cacheDir, kafkaJars } from './jars.mjs';

const usage = `usage: node tools/kafka/broker.mjs COMMAND [options]

  start              start the brokers, or find them running; the last line printed is the bootstrap address
  stop               stop them
  status             print a line for each; exit with 0 only when all of them answer
  start-node I       start node I (from 1);  stop-node I: in order;  kill-node I: SIGKILL
  jars               only fetch Kafka's jars

  --nodes N          brokers of the cluster                                   (default 1; 3 or more replicate each topic)
  --port P           first port; N nodes use P to P + 2N - 1                  (default 9092)
  --dir D            data, logs and process ids                               (default CACHE/run-PORT)
  --set KEY=VALUE    a setting of the brokers; may be repeated
  --security         listeners with SASL and TLS too, on the three ports behind the others
  --kafka-version V  version of Kafka                                         (default: see tools/kafka/pom.xml)
  --delete           stop: delete the data as well

Needs Java 17 or later, and Maven for the first start. MILLRACE_KAFKA_CACHE names the folder of jars and data
(~/.cache/millrace-kafka), MILLRACE_KAFKA_HEAP the heap of one broker (512m).
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: 'string', default: '1' },
    port: { type: 'string', default: '9092' },
    dir: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
    security: { type: 'boolean', default: false },
    'kafka-version': { type: 'string' },
    delete: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const [command = 'help', node = ''] = positionals;
const dir = values.dir ?? join(cacheDir(), `run-${values.port}`);
const print = (line) => process.stdout.write(`${line}\n`);

const commands = {
  async start() {
    const cluster = await KafkaCluster.start(dir, {
      nodes: Number(values.nodes),
      port: Number(values.port),
      settings: values.set,
      security: values.security,
      version: values['kafka-version'] ?? null,
    });
    print(cluster.bootstrap);
  },
  async stop() {
    const cluster = await KafkaCluster.open(dir);
    await (values.delete ? cluster.dispose() : cluster.stop());
  },
  async status() {
    const nodes = await (await KafkaCluster.open(dir)).status();
    for (const { node: number, address, pid, brokersKnown } of nodes) {
      print(`node ${number} ${address} ${pid === null ? 'stopped' : `pid ${pid}, knows ${brokersKnown} broker(s)`}`);
    }
    process.exitCode = nodes.every(({ brokersKnown }) => brokersKnown > 0) ? 0 : 1;
  },
  'start-node': async () => (await KafkaCluster.open(dir)).startNode(Number(node)),
  'stop-node': async () => (await KafkaCluster.open(dir)).stopNode(Number(node)),
  'kill-node': async () => (await KafkaCluster.open(dir)).stopNode(Number(node), 'SIGKILL'),
  jars: async () => print((await kafkaJars(values['kafka-version'] ?? null)).classPath),
};

if (values.help || !Object.hasOwn(commands, command)) {
  process.stdout.write(usage);
  process.exitCode = command === 'help' || values.help ? 0 : 1;
} else {
  try {
    await commands[command]();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
