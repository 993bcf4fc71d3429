import { execFile } from 'node:child_process';
import { access, constants, mkdir, readFile, statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import { findEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { pendingMigrations } from '../platform/migrations.ts';
import { openPool } from '../platform/postgres.ts';
import { findPostgresBinaries } from '../platform/postgres-binaries.ts';
import { openStore } from '../platform/store/open-store.ts';
import { readUpRecord } from './home-lock.ts';
import { listenFault, servesPort } from './ports.ts';

const run = promisify(execFile);

/** What a check found. `advice` says what to do about a `warn` or a `fail`. */
export type Finding = { status: 'ok' | 'warn' | 'fail'; found: string; advice?: string };
export type Diagnosis = Finding & { group: 'installed' | 'reachable' | 'data'; name: string };

type Check = { group: Diagnosis['group']; name: string; run: () => Promise<Finding> };

const ok = (found: string): Finding => ({ status: 'ok', found });
const warn = (found: string, advice: string): Finding => ({ status: 'warn', found, advice });
const fail = (found: string, advice: string): Finding => ({ status: 'fail', found, advice });

const patience = 3_000;
const megabyte = 1024 * 1024;

/**
 * Looks at what lastro needs, without changing or starting anything but a probe object in the object store.
 * Every check runs; one that throws is a `fail` with the error's words.
 */
export const diagnose = (config: Config): Promise<Diagnosis[]> =>
  Promise.all(
    checksFor(config).map(async ({ group, name, run: check }) => {
      try {
        return { group, name, ...(await check()) };
      } catch (error) {
        const words = error instanceof Error ? error.message || error.name : String(error);
        return { group, name, ...fail(words, 'See docs/runbooks/start-and-stop.md.') };
      }
    }),
  );

const checksFor = (config: Config): Check[] => {
  const sandbox = async (): Promise<string> =>
    (await readUpRecord(config.LASTRO_HOME))?.sandbox ?? `http://127.0.0.1:${config.LASTRO_SANDBOX_PORT}`;
  const checks: (Check | false)[] = [
    { group: 'installed', name: 'node', run: async () => checkNode(process.versions.node) },
    { group: 'installed', name: 'postgres binaries', run: () => checkBinaries(config) },
    { group: 'installed', name: 'java', run: () => checkOptional('java', ['-version'], 'DynamoDB Local') },
    {
      group: 'installed',
      name: 'chromium',
      run: () => checkOptional('chromium', ['--version'], "the portal's browser tests"),
    },
    { group: 'installed', name: 'machine', run: async () => checkMachine() },
    { group: 'data', name: 'home', run: () => checkHome(config.LASTRO_HOME) },
    { group: 'data', name: 'disk', run: () => checkDisk(config.LASTRO_HOME) },
    { group: 'data', name: 'data version', run: () => checkDataVersion(config.LASTRO_HOME) },
    { group: 'reachable', name: 'database', run: () => checkDatabase(config) },
    { group: 'reachable', name: 'object store', run: () => checkObjectStore(config) },
    { group: 'reachable', name: 'api port', run: () => checkPort(config) },
    {
      group: 'reachable',
      name: 'issuer',
      run: async () => checkIssuer(config.OIDC_ISSUER ?? `${await sandbox()}/oidc`, !config.OIDC_ISSUER),
    },
    {
      group: 'reachable',
      name: 'partners',
      run: async () => checkHttp(config.PARTNERS_URL ?? (await sandbox()), !config.PARTNERS_URL),
    },
    config.MESSAGES_SQS_URL !== undefined && {
      group: 'reachable',
      name: 'messages queue',
      run: () => checkQueue(config),
    },
    config.REDIS_URL !== undefined && { group: 'reachable', name: 'redis', run: () => checkRedis(config) },
  ];
  return checks.filter((check) => check !== false);
};

const checkNode = (version: string): Finding =>
  Number(version.split('.')[0]) >= 24
    ? ok(`v${version}`)
    : fail(
        `v${version}`,
        'Lastro needs Node 24: run `npm ci` and start it with `npm start` or `npx lastro`.',
      );

const checkBinaries = async (config: Config): Promise<Finding> => {
  if (config.DATABASE_URL) return ok('not needed: DATABASE_URL is set');
  const { postgres } = await findPostgresBinaries();
  const { stdout } = await run(postgres, ['-V']);
  const root = process.getuid?.() === 0 ? '; runs as another user than root' : '';
  return ok(`${stdout.trim()}${root}`);
};

/** Programs that only development needs. */
const checkOptional = async (program: string, args: string[], use: string): Promise<Finding> => {
  const answer = await run(program, args, { timeout: 10_000 }).catch(() => undefined);
  if (!answer) return ok(`absent; only ${use} in \`npm run test:peers\` needs it`);
  return ok((answer.stdout || answer.stderr).split('\n')[0] ?? program);
};

const checkMachine = (): Finding => {
  const memory = Math.round(totalmem() / megabyte);
  const found = `${cpus().length} cores, ${memory} MB of memory`;
  return memory < 1_500 ? warn(found, 'Give it 2 GB: PostgreSQL and DuckDB need room.') : ok(found);
};

const checkHome = async (home: string): Promise<Finding> => {
  try {
    await access(home, constants.R_OK | constants.W_OK | constants.X_OK);
    return ok(home);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return ok(`${home} (made by the first start)`);
    }
    return fail(`${home} can't be written`, 'Run lastro as its owner, or set LASTRO_HOME to another folder.');
  }
};

/** The nearest folder above that exists tells the disk of one that is yet to be made. */
const freeBytes = async (folder: string): Promise<number> => {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const parent = join(folder, '..');
    if (parent === folder) throw error;
    return freeBytes(parent);
  }
};

/** How much room a disk has: below 200 MB PostgreSQL may stop at its next write-ahead segments. */
export const diskFinding = (bytes: number): Finding => {
  const found = `${Math.round(bytes / megabyte)} MB free`;
  if (bytes < 200 * megabyte) return fail(found, 'Free some space: at a full disk orders are refused.');
  return bytes < 2_000 * megabyte ? warn(found, 'Free some space soon.') : ok(found);
};

const checkDisk = async (home: string): Promise<Finding> => diskFinding(await freeBytes(home));

const checkDataVersion = async (home: string): Promise<Finding> => {
  const version = await readFile(join(home, 'postgres', 'data', 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version === undefined) return ok('no embedded database yet');
  const { stdout } = await run((await findPostgresBinaries()).postgres, ['-V']);
  const own = /(\d+)\./.exec(stdout)?.[1] ?? '';
  if (version.trim() === own) return ok(`PostgreSQL ${own}`);
  return fail(
    `made by PostgreSQL ${version.trim()}, this lastro brings ${own}`,
    'Use the lastro that made it, or set LASTRO_HOME to another folder.',
  );
};

const checkDatabase = async (config: Config): Promise<Finding> => {
  const url = config.DATABASE_URL ?? (await findEmbeddedPostgres(config.LASTRO_HOME));
  if (url === undefined) return ok('embedded, not running (`lastro up` or a command starts it)');
  const pool = openPool({ url, max: 1, name: 'lastro doctor' });
  try {
    const { rows } = await pool.query<{ server_version: string }>('SHOW server_version');
    const pending = await pendingMigrations(pool);
    const where = config.DATABASE_URL ? new URL(url).host : 'embedded, running';
    const found = `${where}, PostgreSQL ${rows[0]?.server_version}`;
    if (pending.length === 0) return ok(`${found}, migrated`);
    return warn(`${found}, ${pending.length} migrations to apply`, 'The next start of lastro applies them.');
  } catch (error) {
    if (error instanceof UserError) throw error;
    const words = error instanceof Error ? error.message || String(error) : String(error);
    return fail(words, 'Check DATABASE_URL, the network and the role.');
  } finally {
    await pool.end();
  }
};

const checkObjectStore = async (config: Config): Promise<Finding> => {
  const url = config.OBJECT_STORE ?? pathToFileURL(join(config.LASTRO_HOME, 'store')).href;
  // Looking must not make the home's folder: its absence tells a first start.
  const homeThere = await access(config.LASTRO_HOME).then(
    () => true,
    () => false,
  );
  if (!config.OBJECT_STORE && !homeThere) return ok(`${url} (made by the first start)`);
  if (!config.OBJECT_STORE) await mkdir(join(config.LASTRO_HOME, 'store'), { recursive: true });
  const endpoint = config.AWS_ENDPOINT_URL ? { endpoint: config.AWS_ENDPOINT_URL } : {};
  const opened = await openStore(url, { s3: { region: config.AWS_REGION, ...endpoint } });
  const key = `.doctor/${process.pid}`;
  try {
    await opened.store.put(key, 'probe');
    await opened.store.remove(key);
    return ok(`${url} can be written`);
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return fail(`${url}: ${words}`, 'Check OBJECT_STORE, the credentials and the rights to write.');
  } finally {
    await opened.close();
  }
};

const checkPort = async (config: Config): Promise<Finding> => {
  const { LASTRO_HOST: host, LASTRO_PORT: port } = config;
  const fault = await listenFault(host, port);
  if (!fault) return ok(`${host}:${port} is free`);
  const record = await readUpRecord(config.LASTRO_HOME);
  if (record && (await servesPort(record, port)))
    return ok(`${record.api} is this home's lastro (process ${record.pid})`);
  return warn(
    `${host}:${port}: ${fault.code === 'EADDRINUSE' ? 'in use by another program' : fault.message}`,
    'Set LASTRO_PORT to a free port, or end the other program.',
  );
};

const notRunning = 'Start it with `npm start`, or set OIDC_ISSUER and PARTNERS_URL to the real systems.';

const checkHttp = async (url: string, isSandbox: boolean): Promise<Finding> => {
  const answer = await fetch(url, { signal: AbortSignal.timeout(patience), redirect: 'manual' }).catch(
    () => undefined,
  );
  if (answer) return ok(`${url} answers`);
  return isSandbox
    ? warn(`${url} (sandbox) does not answer`, notRunning)
    : fail(`${url} does not answer`, 'Check the address and the network; orders wait until it answers.');
};

const checkIssuer = async (issuer: string, isSandbox: boolean): Promise<Finding> => {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const answer = await fetch(address, { signal: AbortSignal.timeout(patience) }).catch(() => undefined);
  const body: unknown = await answer?.json().catch(() => undefined);
  if (typeof body === 'object' && body !== null && 'jwks_uri' in body) return ok(`${issuer} answers`);
  return isSandbox
    ? warn(`${issuer} (sandbox) does not answer`, notRunning)
    : fail(
        `${address} is not an OIDC discovery document`,
        'Check OIDC_ISSUER; without it no token is accepted.',
      );
};

const checkQueue = async (config: Config): Promise<Finding> => {
  const { GetQueueAttributesCommand, SQSClient } = await import('@aws-sdk/client-sqs');
  const client = new SQSClient({
    region: config.AWS_REGION,
    maxAttempts: 1,
    ...(config.AWS_ENDPOINT_URL ? { endpoint: config.AWS_ENDPOINT_URL } : {}),
  });
  try {
    await client.send(
      new GetQueueAttributesCommand({ QueueUrl: config.MESSAGES_SQS_URL, AttributeNames: ['QueueArn'] }),
      { abortSignal: AbortSignal.timeout(patience) },
    );
    return ok(`${config.MESSAGES_SQS_URL} answers`);
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return fail(
      `${config.MESSAGES_SQS_URL}: ${words}`,
      'Check MESSAGES_SQS_URL and the credentials; messages wait in the outbox.',
    );
  } finally {
    client.destroy();
  }
};

const checkRedis = async (config: Config): Promise<Finding> => {
  const { Redis } = await import('ioredis');
  const redis = new Redis(config.REDIS_URL ?? '', {
    lazyConnect: true,
    connectTimeout: patience,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    await redis.ping();
    return ok('answers');
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return warn(words, 'Check REDIS_URL; until it answers the cache is in memory alone.');
  } finally {
    redis.disconnect();
  }
};
