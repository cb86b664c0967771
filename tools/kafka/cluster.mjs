/**
 * Apache Kafka brokers (KRaft, without ZooKeeper) as processes of this machine: what tests, benchmarks and the example run
 * against. Each node is broker and controller in one.
 *
 *     <dir>/cluster.json               what the cluster was created with
 *     <dir>/node-<i>/                  server.properties, server.log, pid, data/
 *     <dir>/tls/                       with security: a key store, and its certificate as ca.pem
 *
 * A cluster outlives the process that started it; {@link KafkaCluster.open} finds it again.
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import kafkajs from 'kafkajs';
import { kafkaJars } from './jars.mjs';

const run = promisify(execFile);
const HOST = '127.0.0.1';
const ANSWER_WAIT_MS = 90_000;
const END_WAIT_MS = 15_000;
const LOOK_AGAIN_MS = 100;

/** Of the listeners that `security` opens. */
export const CREDENTIALS = { username: 'millrace', password: 'millrace-secret' };
const KEY_STORE_PASSWORD = 'changeit';

/**
 * @typedef {object} ClusterShape
 * @property {number} nodes
 * @property {number} port the first; a cluster of n uses `port` to `port + 2 n - 1`, and three more with `security`
 * @property {readonly string[]} settings broker settings, `key=value`
 * @property {boolean} security listeners SASL_PLAINTEXT, SSL and SASL_SSL as well, on the first node
 * @property {string | null} version of Kafka; `null` for the default
 */

export class KafkaCluster {
  /** @param {string} dir @param {ClusterShape & { id: string }} shape @param {string} classPath */
  constructor(dir, shape, classPath) {
    this.dir = dir;
    this.shape = shape;
    this.classPath = classPath;
  }

  /**
   * Starts brokers with the data in `dir`, or finds them running. Resolves when each answers and knows all others.
   *
   * @param {string} dir
   * @param {Partial<ClusterShape>} options
   */
  static async start(dir, options = {}) {
    const folder = resolve(dir);
    const wanted = { nodes: 1, port: 9092, settings: [], security: false, version: null, ...options };
    const { version, classPath } = await kafkaJars(wanted.version);
    const shape = { ...wanted, version, id: clusterId() };
    const known = await readShape(folder);
    if (known !== null && (known.nodes !== shape.nodes || known.version !== version || known.port !== shape.port)) {
      throw new Error(
        `${folder} holds ${known.nodes} node(s) of Kafka ${known.version} at port ${known.port}; delete it, or use another folder`,
      );
    }
    const cluster = new KafkaCluster(folder, { ...shape, id: known?.id ?? shape.id }, classPath);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'cluster.json'), JSON.stringify(cluster.shape));
    if (shape.security) await cluster.#createKeyStore();
    await Promise.all(cluster.nodeNumbers.map((node) => cluster.startNode(node)));
    await cluster.#untilWhole();
    return cluster;
  }

  /** The cluster that was started in this folder. @param {string} dir */
  static async open(dir) {
    const shape = await readShape(resolve(dir));
    if (shape === null) throw new Error(`no Kafka cluster was started in ${dir}`);
    return new KafkaCluster(resolve(dir), shape, (await kafkaJars(shape.version)).classPath);
  }

  /** From 1. */
  get nodeNumbers() {
    return Array.from({ length: this.shape.nodes }, (_, index) => index + 1);
  }

  get bootstrap() {
    return this.nodeNumbers.map((node) => this.address(node)).join(',');
  }

  /** @param {number} node */
  address(node) {
    return `${HOST}:${this.shape.port + node - 1}`;
  }

  /** The first node's address for a protocol of `security`. @param {'SASL_PLAINTEXT' | 'SSL' | 'SASL_SSL'} protocol */
  secureAddress(protocol) {
    return `${HOST}:${this.#securePort(protocol)}`;
  }

  /** The certificate that the secure listeners show. */
  get caFile() {
    return join(this.dir, 'tls', 'ca.pem');
  }

  /** @param {number} node */
  logFile(node) {
    return join(this.#nodeDir(node), 'server.log');
  }

  /** @param {number} node */
  pidOf(node) {
    try {
      const pid = Number(readFileSync(join(this.#nodeDir(node), 'pid'), 'utf8'));
      return this.#isOurs(pid, node) ? pid : null;
    } catch {
      return null;
    }
  }

  /** Starts a node that is not running, and waits until it answers. @param {number} node */
  async startNode(node) {
    if (this.pidOf(node) === null) await this.#launch(node);
    await until(
      async () => {
        if (this.pidOf(node) === null) throw new Error(`node ${node} has ended: see ${this.logFile(node)}`);
        return (await brokersKnownTo(this.address(node))) > 0;
      },
      () => `node ${node} does not answer: see ${this.logFile(node)}`,
      ANSWER_WAIT_MS,
    );
  }

  /** Ends a node: SIGTERM in order, SIGKILL like a crash. @param {number} node @param {NodeJS.Signals} signal */
  async stopNode(node, signal = 'SIGTERM') {
    const pid = this.pidOf(node);
    if (pid === null) return;
    process.kill(pid, signal);
    const ended = () => this.pidOf(node) === null;
    const inTime = await until(ended, null, END_WAIT_MS).catch(() => false);
    // A controller that has lost its quorum never ends in order.
    if (inTime === false) process.kill(pid, 'SIGKILL');
    await until(ended, () => `node ${node} does not end`, END_WAIT_MS);
  }

  async stop() {
    await Promise.all(this.nodeNumbers.map((node) => this.stopNode(node)));
  }

  /** Stops, and deletes the data. */
  async dispose() {
    await Promise.all(this.nodeNumbers.map((node) => this.stopNode(node, 'SIGKILL')));
    await rm(this.dir, { recursive: true, force: true });
  }

  /** One line a node. */
  async status() {
    return Promise.all(
      this.nodeNumbers.map(async (node) => {
        const pid = this.pidOf(node);
        const known = pid === null ? 0 : await brokersKnownTo(this.address(node));
        return { node, address: this.address(node), pid, brokersKnown: known };
      }),
    );
  }

  /**
   * Runs a class of Kafka's own tools. @param {string} mainClass @param {readonly string[]} args @param {string} input
   * @returns {Promise<string>} what it printed
   */
  async runTool(mainClass, args, input = '') {
    const tool = run('java', ['-cp', this.classPath, mainClass, ...args]);
    tool.child.stdin?.end(input);
    return (await tool).stdout;
  }

  async #launch(node) {
    const dir = this.#nodeDir(node);
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'server.properties'), this.#properties(node));
    if (!existsSync(join(dir, 'data', 'meta.properties'))) await this.#format(node);
    const log = openSync(join(dir, 'server.log'), 'a');
    const heap = process.env['MILLRACE_KAFKA_HEAP'] ?? '512m';
    const child = spawn(
      'java',
      [
        '-Xms64m',
        `-Xmx${heap}`,
        '-XX:+UseG1GC',
        '-XX:MaxGCPauseMillis=20',
        '-Djava.awt.headless=true',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
        '-Dorg.slf4j.simpleLogger.showDateTime=true',
        '-cp',
        this.classPath,
        'kafka.Kafka',
        join(dir, 'server.properties'),
      ],
      { detached: true, stdio: ['ignore', log, log] },
    );
    child.unref();
    await writeFile(join(dir, 'pid'), String(child.pid));
  }

  async #format(node) {
    const dir = this.#nodeDir(node);
    const { username, password } = CREDENTIALS;
    const scram = ['256', '512'].flatMap((bits) => [
      '--add-scram',
      `SCRAM-SHA-${bits}=[name=${username},password=${password}]`,
    ]);
    await this.runTool('kafka.tools.StorageTool', [
      'format',
      '-t',
      this.shape.id,
      '-c',
      join(dir, 'server.properties'),
      ...(this.shape.security ? scram : []),
    ]);
  }

  /** @param {number} node */
  #properties(node) {
    const { nodes, port, settings } = this.shape;
    const controllerPort = (number) => port + nodes + number - 1;
    const voters = this.nodeNumbers.map((number) => `${number}@${HOST}:${controllerPort(number)}`);
    const replicas = Math.min(nodes, 3);
    const inSync = replicas === 3 ? 2 : 1;
    const secure = this.shape.security && node === 1 ? ['SASL_PLAINTEXT', 'SSL', 'SASL_SSL'] : [];
    const open = [
      `PLAINTEXT://${this.address(node)}`,
      ...secure.map((name) => `${name}://${this.secureAddress(name)}`),
    ];
    const lines = {
      'process.roles': 'broker,controller',
      'node.id': node,
      'controller.quorum.voters': voters.join(','),
      'controller.listener.names': 'CONTROLLER',
      'inter.broker.listener.name': 'PLAINTEXT',
      listeners: [...open, `CONTROLLER://${HOST}:${controllerPort(node)}`].join(','),
      'advertised.listeners': open.join(','),
      'listener.security.protocol.map': [
        'CONTROLLER:PLAINTEXT',
        ...protocolNames.map((name) => `${name}:${name}`),
      ].join(),
      'log.dirs': join(this.#nodeDir(node), 'data'),
      'auto.create.topics.enable': false,
      'default.replication.factor': replicas,
      'min.insync.replicas': inSync,
      'offsets.topic.replication.factor': replicas,
      'offsets.topic.num.partitions': 4,
      'transaction.state.log.replication.factor': replicas,
      'transaction.state.log.min.isr': inSync,
      'transaction.state.log.num.partitions': 4,
      // A test waits for nobody else to join, and notices a lost node soon.
      'group.initial.rebalance.delay.ms': 0,
      'group.min.session.timeout.ms': 1000,
      'broker.session.timeout.ms': 3000,
      'broker.heartbeat.interval.ms': 500,
      'num.network.threads': 2,
      'num.io.threads': 4,
      'log.cleaner.dedupe.buffer.size': 4_194_304,
      ...(secure.length > 0 ? this.#securityLines() : {}),
    };
    const own = Object.entries(lines).map(([key, value]) => `${key}=${String(value)}`);
    return `${[...own, ...settings].join('\n')}\n`;
  }

  #securityLines() {
    const store = join(this.dir, 'tls', 'broker.p12');
    return {
      'sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512,PLAIN',
      'listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config': SCRAM_LOGIN,
      'listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config': SCRAM_LOGIN,
      'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': SCRAM_LOGIN,
      'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': SCRAM_LOGIN,
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': PLAIN_LOGIN,
      'listener.name.sasl_ssl.plain.sasl.jaas.config': PLAIN_LOGIN,
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.location': store,
      'ssl.keystore.password': KEY_STORE_PASSWORD,
      'ssl.key.password': KEY_STORE_PASSWORD,
    };
  }

  async #createKeyStore() {
    const dir = join(this.dir, 'tls');
    const store = ['-keystore', join(dir, 'broker.p12'), '-storepass', KEY_STORE_PASSWORD, '-alias', 'broker'];
    if (existsSync(this.caFile)) return;
    await mkdir(dir, { recursive: true });
    await run('keytool', [
      '-genkeypair',
      '-keyalg',
      'RSA',
      '-validity',
      '3650',
      '-dname',
      'CN=localhost',
      '-storetype',
      'PKCS12',
      '-ext',
      `SAN=dns:localhost,ip:${HOST}`,
      ...store,
    ]);
    await run('keytool', ['-exportcert', '-rfc', '-file', this.caFile, ...store]);
  }

  /** @param {string} protocol */
  #securePort(protocol) {
    const { port, nodes } = this.shape;
    return port + 2 * nodes + ['SASL_PLAINTEXT', 'SSL', 'SASL_SSL'].indexOf(protocol);
  }

  async #untilWhole() {
    for (const node of this.nodeNumbers) {
      await until(
        async () => (await brokersKnownTo(this.address(node))) === this.shape.nodes,
        () => `node ${node} does not see all of the others: see ${this.logFile(node)}`,
        ANSWER_WAIT_MS,
      );
    }
  }

  #nodeDir(node) {
    return join(this.dir, `node-${node}`);
  }

  /** Process ids are used again: only a process with this node's settings is this node. */
  #isOurs(pid, node) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(join(this.#nodeDir(node), 'server.properties'));
    } catch {
      return false;
    }
  }
}

const protocolNames = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];
const SCRAM_LOGIN = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
const PLAIN_LOGIN =
  'org.apache.kafka.common.security.plain.PlainLoginModule required ' +
  `user_${CREDENTIALS.username}="${CREDENTIALS.password}";`;

async function readShape(dir) {
  const file = join(dir, 'cluster.json');
  return existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : null;
}

/** How many brokers the one at this address knows; 0 when it does not answer. @param {string} address */
async function brokersKnownTo(address) {
  const { Kafka, logLevel } = kafkajs;
  const kafka = new Kafka({
    brokers: [address],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: 1000,
    requestTimeout: 2000,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length;
  } catch {
    return 0;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

async function until(holds, complaint, limitMs) {
  const end = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(complaint === null ? 'out of time' : complaint());
    await delay(LOOK_AGAIN_MS);
  }
}

/** 16 bytes in Kafka's base64; not with a dash in front, which its tools would take for an option. */
function clusterId() {
  return randomBytes(16).toString('base64url').replaceAll('-', 'a').replaceAll('_', 'b');
}
