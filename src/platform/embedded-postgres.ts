import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { UserError } from './cli.ts';
import { diskFull } from './disk-full.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';
import type { Cluster, Server } from './postgres-cluster.ts';
import {
  boundLog,
  cluster,
  clusterPassword,
  clusterUser,
  findServer,
  launchServer,
  prepareCluster,
  stopServer,
} from './postgres-cluster.ts';

export type EmbeddedPostgres = {
  /** Address of the database `lastro`; it stays the same while this process holds on. */
  readonly url: string;
  /** true where the server was running already: another command's, or one left by a killed process. */
  readonly reused: boolean;
  /** Lets go of the server, and stops it where no other lastro process uses it. */
  readonly stop: () => Promise<void>;
};

export type EmbeddedPostgresOptions = {
  /** LASTRO_HOME; the server's files are in `<home>/postgres`. */
  home: string;
  log?: (line: string) => void;
  /** A fixed port; by default the last start's, or a free one. */
  port?: number;
  /** false for tests: no fsync. */
  durable?: boolean;
  /** How long to wait for a server that recovers after a crash, in milliseconds. */
  patience?: number;
};

const database = 'lastro';

/**
 * Whoever uses the server holds this advisory lock, shared, in a session of its own. Who leaves lets go and
 * tries for the exclusive lock: who gets it was the last, and stops the server while still holding it, so
 * that a newcomer waits on the lock, loses its session with the server, and starts over. A killed process
 * loses its lock with its session, so there is nothing stale to clean. (A file of users would have to be
 * cleaned after kills, and a count in it corrected.)
 */
const leaseKey = 5_278_000_001;

type Lease = { client: pg.Client; server: Server; reused: boolean };

/**
 * Starts the embedded PostgreSQL of a home folder, or joins the one that runs there already, however it was
 * left. Any number of processes may do this at once. While this process holds on, a server that dies is
 * started again on the same port.
 * @throws UserError where it can't be started, with what was found and what to do.
 */
export const startEmbeddedPostgres = async ({
  home,
  log = () => {},
  port,
  durable = true,
  patience = 120_000,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const target = cluster(home, await findPostgresBinaries(), durable);
  await prepareCluster(target, log);
  const password = await clusterPassword(target);
  const acquire = (fixedPort: number | undefined): Promise<Lease> =>
    acquireLease(target, (serverPort) => addressOf(password, serverPort, 'postgres'), {
      fixedPort,
      patience,
      log,
      wanted: () => !stopping,
    });
  let stopping = false;
  const first = await acquire(port);
  try {
    await ensureDatabase(first.client);
  } catch (error) {
    await leave(target, first);
    throw diskFull(error) ?? error;
  }

  let lease = first;
  let keeping: Promise<void> = Promise.resolve();
  const keep = (held: Lease): void => {
    // A cut session says so twice, by `error` and by `end`.
    let known = false;
    const lost = (): void => {
      if (known || stopping) return;
      known = true;
      keeping = holdAgain();
    };
    held.client.once('error', lost);
    held.client.once('end', lost);
  };
  const holdAgain = async (): Promise<void> => {
    log('the session with PostgreSQL was lost; joining or starting it again');
    while (!stopping) {
      try {
        lease = await acquire(first.server.port);
        keep(lease);
        return;
      } catch (error) {
        log(error instanceof Error ? error.message : String(error));
        await sleep(1_000);
      }
    }
  };
  keep(lease);
  const logKeeper = setInterval(() => void boundLog(target.log).catch(() => {}), 600_000).unref();

  return {
    url: addressOf(password, first.server.port, database),
    reused: first.reused,
    stop: async () => {
      if (stopping) return;
      stopping = true;
      clearInterval(logKeeper);
      await keeping;
      await leave(target, lease);
    },
  };
};

/** Address of the embedded server that runs in a home now, or undefined. Starts nothing and holds nothing. */
export const findEmbeddedPostgres = async (home: string): Promise<string | undefined> => {
  const target = cluster(home, await findPostgresBinaries(), true);
  const server = await findServer(target);
  if (!server?.ready) return undefined;
  return addressOf(await clusterPassword(target), server.port, database);
};

const addressOf = (password: string, port: number, name: string): string =>
  `postgres://${clusterUser}:${password}@127.0.0.1:${port}/${name}`;

type Acquire = {
  fixedPort: number | undefined;
  patience: number;
  log: (line: string) => void;
  wanted: () => boolean;
};

const acquireLease = async (
  target: Cluster,
  address: (port: number) => string,
  { fixedPort, patience, log, wanted }: Acquire,
): Promise<Lease> => {
  const deadline = Date.now() + patience;
  let reused = true;
  let waited = 0;
  while (wanted() && Date.now() < deadline) {
    const server = await findServer(target);
    if (server === undefined) {
      reused = false;
      await launchServer(target, fixedPort);
      continue;
    }
    const client = server.ready ? await tryLease(address(server.port)) : undefined;
    if (client) return { client, server, reused };
    if (++waited % 50 === 0) log('waiting for PostgreSQL to start or to end');
    await sleep(50);
  }
  throw new UserError(
    `PostgreSQL in ${target.folder} did not answer within ${patience / 1_000} s; its log is ${target.log}`,
    1,
  );
};

/** `57P01`–`57P03`: it is going down or coming up. A refused or cut connection says the same. */
const passing = new Set(['57P01', '57P02', '57P03', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

const tryLease = async (connectionString: string): Promise<pg.Client | undefined> => {
  const client = new pg.Client({ connectionString, application_name: 'lastro lease', keepAlive: true });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT pg_advisory_lock_shared($1)', [leaseKey]);
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const cut = error instanceof Error && error.message.startsWith('Connection terminated');
    if (passing.has(code) || cut) return undefined;
    if (code === '28P01') {
      throw new UserError(
        'the embedded PostgreSQL does not accept the password in LASTRO_HOME/postgres/password',
        1,
      );
    }
    throw error;
  }
};

const ensureDatabase = async (client: pg.Client): Promise<void> => {
  const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
  if (rowCount) return;
  await client.query(`CREATE DATABASE ${database}`).catch((error: unknown) => {
    // Two first starts at once: the other one made it (42P04, or 23505 in the very same moment).
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== '42P04' && code !== '23505') throw error;
  });
};

const leave = async (target: Cluster, { client }: Lease): Promise<void> => {
  let last = false;
  try {
    await client.query('SELECT pg_advisory_unlock_shared($1)', [leaseKey]);
    const { rows } = await client.query<{ last: boolean }>('SELECT pg_try_advisory_lock($1) AS last', [
      leaseKey,
    ]);
    last = rows[0]?.last === true;
  } catch {
    // The session is gone, and the server with it or about to restart: whoever else uses it keeps it.
  }
  if (last) {
    const server = await findServer(target);
    if (server) await stopServer(target, server);
  }
  await client.end().catch(() => {});
};
