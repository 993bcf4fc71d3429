import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { currentSnapshot } from '../../src/lake/metadata.ts';
import type { Table } from '../../src/lake/tables.ts';

const run = promisify(execFile);

// The last server archive in Maven Central that runs on Java 17 (650 MB, fetched once by Maven).
const version = '368';
const usedPlugins = new Set(['iceberg', 'memory']);

export type TrinoServer = {
  readonly url: string;
  /** Makes a table of the lake known to Trino, as it is now. */
  readonly register: (table: Table) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** Starts a real Trino with an Iceberg catalog `lake` over a metastore of files. Needs Java 17 and Maven. */
export const startTrinoServer = async (): Promise<TrinoServer> => {
  const installation = await install();
  const home = await mkdtemp(join(tmpdir(), 'lastro-trino-'));
  const metastore = join(home, 'metastore');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await mkdir(join(home, 'etc', 'catalog'), { recursive: true });
  await mkdir(metastore);
  const config = [
    'coordinator=true',
    'node-scheduler.include-coordinator=true',
    `http-server.http.port=${port}`,
    `discovery.uri=${url}`,
    `catalog.config-dir=${join(home, 'etc', 'catalog')}`,
    `plugin.dir=${join(installation, 'plugin')}`,
  ];
  await writeFile(join(home, 'etc', 'config.properties'), `${config.join('\n')}\n`);
  await writeFile(
    join(home, 'etc', 'catalog', 'lake.properties'),
    `connector.name=iceberg\niceberg.catalog.type=TESTING_FILE_METASTORE\nhive.metastore.catalog.dir=${metastore}\niceberg.file-format=PARQUET\n`,
  );
  const java = spawn(
    'java',
    [
      '-Xmx1500M',
      '-Djdk.attach.allowAttachSelf=true',
      '--add-opens=java.base/java.lang=ALL-UNNAMED',
      '--add-opens=java.base/java.nio=ALL-UNNAMED',
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
  java.stdout.pipe(createWriteStream(join(home, 'server.log')));
  java.stderr.resume();
  const stop = async (): Promise<void> => {
    if (java.exitCode === null && java.signalCode === null) {
      java.kill('SIGKILL');
      await once(java, 'exit');
    }
    await rm(home, { recursive: true, force: true });
  };
  try {
    await untilStarted(url, java, join(home, 'server.log'));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop, register: (table) => register(url, metastore, table) };
};

const install = async (): Promise<string> => {
  const folder = join(tmpdir(), 'lastro-peers', `trino-server-${version}`);
  if (await there(folder)) return folder;
  await run(
    'mvn',
    [
      '-q',
      '-B',
      'dependency:get',
      `-Dartifact=io.trino:trino-server:${version}:tar.gz`,
      '-Dtransitive=false',
    ],
    { maxBuffer: 1e8 },
  );
  const archive = join(
    homedir(),
    '.m2',
    'repository',
    'io',
    'trino',
    'trino-server',
    version,
    `trino-server-${version}.tar.gz`,
  );
  const unpacked = await mkdtemp(join(tmpdir(), 'lastro-trino-unpack-'));
  await run('tar', ['xzf', archive, '-C', unpacked]);
  const plugins = join(unpacked, `trino-server-${version}`, 'plugin');
  for (const name of await readdir(plugins)) {
    if (!usedPlugins.has(name)) await rm(join(plugins, name), { recursive: true });
  }
  await mkdir(join(folder, '..'), { recursive: true });
  await rename(join(unpacked, `trino-server-${version}`), folder);
  await rm(unpacked, { recursive: true, force: true });
  return folder;
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
    const info = await fetch(`${url}/v1/info`).then(
      (response) => response.json(),
      () => undefined,
    );
    if (typeof info === 'object' && info !== null && 'starting' in info && info.starting === false) return;
    await sleep(1_000);
  }
  throw new Error('Trino did not start within five minutes');
};

/** Statements that the product's own client refuses. */
const execute = async (url: string, sql: string): Promise<void> => {
  type Page = { nextUri?: string; error?: { message: string } };
  const headers = { 'x-trino-user': 'test', 'x-trino-catalog': 'lake' };
  let page = (await (
    await fetch(`${url}/v1/statement`, { method: 'POST', headers, body: sql })
  ).json()) as Page;
  for (;;) {
    if (page.error) throw new Error(`${sql}: ${page.error.message}`);
    if (page.nextUri === undefined) return;
    page = (await (await fetch(page.nextUri)).json()) as Page;
  }
};

/**
 * Trino 368 has neither the JDBC catalog nor `register_table`. So it makes a table of its own, whose entry in the
 * metastore of files is then pointed to the metadata file of ours.
 */
const register = async (url: string, metastore: string, table: Table): Promise<void> => {
  const { namespace, name } = table.name;
  if (!currentSnapshot(table.metadata)) throw new Error('expected a table with rows');
  await execute(url, `CREATE SCHEMA IF NOT EXISTS lake."${namespace}"`);
  await execute(url, `CREATE TABLE lake."${namespace}"."${name}" (x bigint)`);
  const folder = join(metastore, namespace, name);
  const entry = JSON.parse(await readFile(join(folder, '.trinoSchema'), 'utf8')) as {
    parameters: Record<string, string>;
  };
  const pointed = {
    ...entry,
    externalLocation: table.metadata.location,
    parameters: { ...entry.parameters, metadata_location: table.metadataLocation },
  };
  await writeFile(join(folder, '.trinoSchema'), JSON.stringify(pointed));
  await rm(join(folder, '..trinoSchema.crc'), { force: true });
  await untilScanned(() => execute(url, `SELECT count(*) FROM lake."${namespace}"."${name}"`));
};

/** A server that has just started does not know itself as a worker yet. */
const untilScanned = async (scan: () => Promise<void>): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await scan();
      return;
    } catch (error) {
      if (attempt === 60 || !String(error).includes('No nodes available')) throw error;
      await sleep(1_000);
    }
  }
};
