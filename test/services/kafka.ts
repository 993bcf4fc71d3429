import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Admin } from '@platformatic/kafka';

const run = promisify(execFile);

export type KafkaBroker = {
  readonly address: string;
  /** Ends the broker; `start` brings it back with what it held. */
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const install = async (): Promise<string> => {
  const folder = join(tmpdir(), 'lastro-peers', 'kafka-4.1.0');
  const installed = join(folder, 'installed');
  const isThere = await access(installed).then(
    () => true,
    () => false,
  );
  if (isThere) return folder;
  await mkdir(folder, { recursive: true });
  const pom = fileURLToPath(new URL('../peers/kafka-pom.xml', import.meta.url));
  await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`]);
  await writeFile(installed, '');
  return folder;
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
};

/** A real broker in KRaft mode, alone in its cluster. Needs Java 17 and Maven, which fetches it at the first use. */
export const startKafka = async (): Promise<KafkaBroker> => {
  const jars = await install();
  const home = await mkdtemp(join(tmpdir(), 'lastro-kafka-'));
  const [port, controller] = [await freePort(), await freePort()];
  const address = `127.0.0.1:${port}`;
  const properties = join(home, 'server.properties');
  await writeFile(
    properties,
    [
      'process.roles=broker,controller',
      'node.id=1',
      `controller.quorum.voters=1@127.0.0.1:${controller}`,
      `listeners=PLAINTEXT://${address},CONTROLLER://127.0.0.1:${controller}`,
      `advertised.listeners=PLAINTEXT://${address}`,
      'controller.listener.names=CONTROLLER',
      'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      `log.dirs=${join(home, 'logs')}`,
      'offsets.topic.replication.factor=1',
      'auto.create.topics.enable=true',
      'num.partitions=2',
    ].join('\n'),
  );
  const java = (main: string, ...args: string[]): string[] => ['-Xmx512m', '-cp', `${jars}/*`, main, ...args];
  const cluster = 'MkU3OEVBNTcwNTJENDM2Qg';
  await run('java', java('kafka.tools.StorageTool', 'format', '-t', cluster, '-c', properties));
  let broker: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (!broker || broker.exitCode !== null) return;
    broker.kill('SIGTERM');
    await once(broker, 'exit');
    broker = undefined;
  };
  const start = async (): Promise<void> => {
    broker = spawn('java', java('kafka.Kafka', properties), { stdio: 'ignore', cwd: home });
    await untilReady(address);
  };
  await start();
  return {
    address,
    stop,
    start,
    close: async () => {
      await stop();
      await rm(home, { recursive: true, force: true });
    },
  };
};

const untilReady = async (address: string): Promise<void> => {
  const admin = new Admin({
    clientId: 'test',
    bootstrapBrokers: [address],
    retries: 240,
    retryDelay: 250,
    connectTimeout: 1_000,
  });
  try {
    await admin.metadata({ topics: [] });
  } finally {
    await admin.close();
  }
};
