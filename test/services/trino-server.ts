import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

// The newest server whose parts Maven Central has, some 600 MB, fetched once. It needs Java 24. Its HDFS part, which
// opens `file:` locations, is there of the release before only.
const version = '476';
const parts = [
  { artifact: `trino-server-core:${version}:tar.gz`, into: '' },
  { artifact: `trino-iceberg:${version}:zip`, into: 'plugin' },
  { artifact: 'trino-hdfs:474:zip', into: 'hdfs' },
];
const usedPlugins = new Set(['iceberg']);
const oldestJava = 24;

export type TrinoServer = { readonly url: string; readonly stop: () => Promise<void> };

/**
 * Starts a real Trino whose catalog `lake` is the lake's own in PostgreSQL: it sees every table and every commit as
 * they are. Needs Java 24 or newer, and Maven.
 */
export const startTrinoServer = async (databaseUrl: string, warehouse: string): Promise<TrinoServer> => {
  const java = await findJava();
  const installation = await install();
  const home = await mkdtemp(join(tmpdir(), 'lastro-trino-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await mkdir(join(home, 'etc', 'catalog'), { recursive: true });
  const config = [
    'coordinator=true',
    'node-scheduler.include-coordinator=true',
    `http-server.http.port=${port}`,
    `discovery.uri=${url}`,
    `catalog.config-dir=${join(home, 'etc', 'catalog')}`,
    `plugin.dir=${join(installation, 'plugin')}`,
  ];
  await writeFile(join(home, 'etc', 'config.properties'), `${config.join('\n')}\n`);
  const database = new URL(databaseUrl);
  const catalog = [
    'connector.name=iceberg',
    'iceberg.catalog.type=jdbc',
    'iceberg.jdbc-catalog.catalog-name=lastro',
    'iceberg.jdbc-catalog.driver-class=org.postgresql.Driver',
    `iceberg.jdbc-catalog.connection-url=jdbc:postgresql://${database.host}${database.pathname}`,
    `iceberg.jdbc-catalog.connection-user=${decodeURIComponent(database.username)}`,
    `iceberg.jdbc-catalog.connection-password=${decodeURIComponent(database.password)}`,
    `iceberg.jdbc-catalog.default-warehouse-dir=file://${warehouse}`,
    'fs.hadoop.enabled=true',
  ];
  await writeFile(join(home, 'etc', 'catalog', 'lake.properties'), `${catalog.join('\n')}\n`);
  const server = spawn(
    java,
    [
      '-Xmx1500M',
      '-Djdk.attach.allowAttachSelf=true',
      '-Djdk.nio.maxCachedBufferSize=2000000',
      '-Dfile.encoding=UTF-8',
      '--enable-native-access=ALL-UNNAMED',
      '--add-modules=jdk.incubator.vector',
      `-Dconfig=${join(home, 'etc', 'config.properties')}`,
      '-Dlog.enable-console=true',
      '-Dnode.environment=test',
      '-Dnode.id=lastro',
      `-Dnode.data-dir=${join(home, 'data')}`,
      '-cp',
      `${join(installation, 'lib')}/*`,
      'io.trino.server.TrinoServer',
    ],
    { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  server.stdout.pipe(createWriteStream(join(home, 'server.log')));
  server.stderr.resume();
  const stop = async (): Promise<void> => {
    if (server.exitCode === null && server.signalCode === null) {
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
    await rm(home, { recursive: true, force: true });
  };
  try {
    await untilStarted(url, server, join(home, 'server.log'));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
};

/** The first Java that is new enough: JAVA_HOME's, the path's, or one of those that Debian's folder has. */
const findJava = async (): Promise<string> => {
  const folder = '/usr/lib/jvm';
  const installed = await readdir(folder).catch((): string[] => []);
  const { JAVA_HOME } = process.env;
  const candidates = [
    ...(JAVA_HOME === undefined ? [] : [join(JAVA_HOME, 'bin', 'java')]),
    'java',
    ...installed.map((name) => join(folder, name, 'bin', 'java')),
  ];
  for (const java of candidates) {
    if ((await releaseOf(java)) >= oldestJava) return java;
  }
  throw new Error(
    `expected Java ${oldestJava} or newer for Trino ${version}, found none: set JAVA_HOME to one`,
  );
};

const releaseOf = async (java: string): Promise<number> => {
  try {
    const { stderr } = await run(java, ['-version']);
    return Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
  } catch {
    // Not there, or no Java.
    return 0;
  }
};

const install = async (): Promise<string> => {
  const folder = join(tmpdir(), 'lastro-peers', `trino-server-${version}`);
  if (await there(folder)) return folder;
  await mkdir(join(folder, '..'), { recursive: true });
  const unpacked = await mkdtemp(join(tmpdir(), 'lastro-trino-unpack-'));
  for (const { artifact, into } of parts) {
    const archive = await fetchArtifact(artifact);
    const target = join(unpacked, into);
    await mkdir(target, { recursive: true });
    if (archive.endsWith('.zip')) await run('unzip', ['-q', archive, '-d', target], { maxBuffer: 1e8 });
    else await run('tar', ['xzf', archive, '-C', target, '--strip-components=1']);
  }
  const plugins = join(unpacked, 'plugin');
  await rename(join(plugins, `trino-iceberg-${version}`), join(plugins, 'iceberg'));
  await rename(join(unpacked, 'hdfs', 'hdfs'), join(plugins, 'iceberg', 'hdfs'));
  for (const name of await readdir(plugins))
    if (!usedPlugins.has(name)) await rm(join(plugins, name), { recursive: true });
  await rename(unpacked, folder);
  return folder;
};

const fetchArtifact = async (artifact: string): Promise<string> => {
  await run('mvn', ['-q', '-B', 'dependency:get', `-Dartifact=io.trino:${artifact}`, '-Dtransitive=false'], {
    maxBuffer: 1e8,
  });
  const [name = '', release = '', type = ''] = artifact.split(':');
  return join(homedir(), '.m2', 'repository', 'io', 'trino', name, release, `${name}-${release}.${type}`);
};

const there = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
};

const untilStarted = async (url: string, java: ChildProcess, log: string): Promise<void> => {
  for (let waited = 0; waited < 300; waited += 1) {
    if (java.exitCode !== null)
      throw new Error(`Trino ended while starting: ${(await readFile(log, 'utf8')).slice(-2_000)}`);
    if (await answersQueries(url)) return;
    await sleep(1_000);
  }
  throw new Error('Trino did not start within five minutes');
};

/**
 * A server that has just started does not know itself as a worker yet, and plans what needs none: it counts as started
 * when it has read a table.
 */
const answersQueries = async (url: string): Promise<boolean> => {
  const named = await ask(
    url,
    "SELECT table_schema, table_name FROM lake.information_schema.tables WHERE table_schema <> 'information_schema' LIMIT 1",
  );
  const [table] = named ?? [];
  if (!table) return named !== null;
  return (await ask(url, `SELECT count(*) FROM lake."${table[0]}"."${table[1]}"`)) !== null;
};

/** The rows of a statement; null where it failed. */
const ask = async (url: string, statement: string): Promise<string[][] | null> => {
  type Page = { nextUri?: string; data?: string[][]; error?: object };
  try {
    const rows: string[][] = [];
    const headers = { 'x-trino-user': 'test' };
    let response = await fetch(`${url}/v1/statement`, { method: 'POST', headers, body: statement });
    for (;;) {
      const page = (await response.json()) as Page;
      if (page.error) return null;
      rows.push(...(page.data ?? []));
      if (page.nextUri === undefined) return rows;
      response = await fetch(page.nextUri);
    }
  } catch {
    return null;
  }
};
