import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { UserError } from './cli.ts';
import { homeMode, makeHome } from './home-folder.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { chooseLauncher, programEnv } from './postgres-binaries.ts';

const run = promisify(execFile);

/** The files of one embedded PostgreSQL, all under one folder, so that its first making can be one rename. */
export type Cluster = {
  readonly folder: string;
  readonly data: string;
  readonly log: string;
  readonly binaries: PostgresBinaries;
  /** false for tests only: a power cut may lose everything. */
  readonly durable: boolean;
};

/** The superuser of the embedded server. Its random password is in `<folder>/password`, mode 0600. */
export const clusterUser = 'lastro';

export const cluster = (home: string, binaries: PostgresBinaries, durable: boolean): Cluster => {
  const folder = join(home, 'postgres');
  return { folder, data: join(folder, 'data'), log: join(folder, 'server.log'), binaries, durable };
};

const logLimit = 8 * 1024 * 1024;

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const readIfThere = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });

/**
 * Makes the cluster where there is none and checks that an existing one fits these binaries. A new cluster
 * is made aside and renamed, so that a kill or a full disk half-way leaves nothing that looks like one, and
 * of two processes that do it at once one wins.
 * @throws UserError for another PostgreSQL version's data, another user's folder, or a disk that is full.
 */
export const prepareCluster = async (target: Cluster, log: (line: string) => void): Promise<void> => {
  const home = join(target.folder, '..');
  await makeHome(home);
  const found = await clusterVersion(target);
  if (found === undefined) {
    log('making the database (first start)');
    await sweepHalfMade(home);
    await makeCluster(target, home);
  } else if (found !== target.binaries.version) {
    throw wrongVersion(target.folder, found, target.binaries.version);
  }
};

const clusterVersion = async (target: Cluster): Promise<string | undefined> => {
  try {
    return (await readIfThere(join(target.data, 'PG_VERSION')))?.trim();
  } catch (error) {
    throw new UserError(
      `${target.data} can't be read (${codeOf(error)}): it was probably made by another user. Run lastro as ` +
        'the user who made it, or set LASTRO_HOME to another folder.',
      1,
    );
  }
};

const wrongVersion = (folder: string, found: string, own: string): UserError =>
  new UserError(
    `the database in ${folder} was made by PostgreSQL ${found}, this lastro brings PostgreSQL ${own}. ` +
      `${Number(found) > Number(own) ? 'Use the newer lastro that made it' : 'Copy it over with pg_dump and the lastro that made it'}` +
      ', or set LASTRO_HOME to another folder. Nothing was changed.',
    1,
  );

const halfMade = /^postgres\.new-(\d+)$/;

const sweepHalfMade = async (home: string): Promise<void> => {
  for (const name of await readdir(home)) {
    const pid = halfMade.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(home, name), { recursive: true });
  }
};

const makeCluster = async (target: Cluster, home: string): Promise<void> => {
  const aside = { ...target, folder: join(home, `postgres.new-${process.pid}`) };
  const data = join(aside.folder, 'data');
  const passwordFile = join(aside.folder, 'password');
  try {
    await rm(aside.folder, { recursive: true, force: true });
    await mkdir(data, { recursive: true, mode: homeMode() });
    await chmod(data, 0o700);
    const launcher = await chooseLauncher(target.binaries, data);
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (launcher.owner) await chown(passwordFile, launcher.owner.uid, launcher.owner.gid);
    const { file, args, as } = launcher.wrap(target.binaries.initdb, [
      `--pgdata=${data}`,
      `--username=${clusterUser}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // Sorted by code point on every platform, so that no library upgrade can corrupt an index.
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--no-instructions',
      ...(target.durable ? [] : ['--no-sync']),
    ]);
    await run(file, args, { ...as, cwd: '/', env: programEnv() });
    if (launcher.owner) await chown(passwordFile, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    await rename(aside.folder, target.folder);
  } catch (error) {
    await rm(aside.folder, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '') && (await clusterVersion(target))) return;
    throw explain(error, home);
  }
};

const explain = (error: unknown, home: string): unknown => {
  if (error instanceof UserError) return error;
  const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  return startFailure(text, home);
};

/** What a failed start means to the person at the terminal, from PostgreSQL's own words. */
const startFailure = (text: string, folder: string): UserError => {
  const words = text.trim().split('\n').slice(-8).join('\n');
  if (/No space left on device|File too large|ENOSPC|EFBIG|EDQUOT|Disk quota exceeded/.test(text)) {
    return new UserError(
      `the disk of ${folder} is full: PostgreSQL could not write. Free some space (a new database takes about ` +
        `60 MB) and start again; what was stored is intact.\n${words}`,
      1,
    );
  }
  return new UserError(`PostgreSQL did not start on ${folder}:\n${words}`, 1);
};

export const clusterPassword = async (target: Cluster): Promise<string> => {
  const password = await readIfThere(join(target.folder, 'password'));
  if (password) return password;
  throw new UserError(
    `the password of the embedded database (${join(target.folder, 'password')}) is gone. Put it back from a ` +
      'backup, or set LASTRO_HOME to another folder.',
    1,
  );
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
};

/** The running server of a cluster, by its own lock file. */
export type Server = { readonly pid: number; readonly port: number; readonly ready: boolean };

/**
 * Finds the cluster's running server. A lock file whose process is gone, or whose number now belongs to
 * another program (usual after a container's restart), is removed: PostgreSQL itself would refuse to start.
 */
export const findServer = async (target: Cluster): Promise<Server | undefined> => {
  const file = join(target.data, 'postmaster.pid');
  const lines = (await readIfThere(file))?.split('\n') ?? [];
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  if (!(await servesFolder(pid, target.data))) {
    const unchanged = (await readIfThere(file))?.startsWith(`${pid}\n`);
    if (unchanged) await rm(file, { force: true });
    return undefined;
  }
  return { pid, port: Number(lines[3] ?? 0), ready: lines[7]?.trim() === 'ready' };
};

/** A postmaster's working directory is its data folder; a zombie has none. */
const servesFolder = async (pid: number, data: string): Promise<boolean> => {
  if (!isAlive(pid)) return false;
  if (process.platform === 'linux') {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    return cwd === (await realpath(data));
  }
  const { stdout } = await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout.includes(data);
};

const settingsOf = (target: Cluster, port: number): string[] => {
  const settings: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    // Socket paths are limited to 107 bytes, which a deep checkout exceeds.
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    max_connections: 200,
    shared_buffers: '128MB',
    max_wal_size: '1GB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] %a ',
    // A statement may carry personal data: the error's text is enough.
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
    ...(target.durable
      ? { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' }
      : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
};

/**
 * Starts the server in a session of its own, so that Ctrl-C at the terminal reaches lastro alone, which then
 * stops the server after its work in hand. Resolves when the server accepts connections, or when it turns
 * out that another process started it first.
 * @throws UserError with PostgreSQL's own words where it ends instead.
 */
export const launchServer = async (target: Cluster, fixedPort: number | undefined): Promise<void> => {
  const launcher = await chooseLauncher(target.binaries, target.data);
  for (let attempt = 1; ; attempt++) {
    const port = fixedPort ?? (await choosePort(target));
    await boundLog(target.log);
    const before = await stat(target.log).then(
      (found) => found.size,
      () => 0,
    );
    const output = await open(target.log, 'a', 0o600);
    const { file, args, as } = launcher.wrap(target.binaries.postgres, [
      '-D',
      target.data,
      ...settingsOf(target, port),
    ]);
    let ended = false;
    const child = spawn(file, args, {
      ...as,
      cwd: '/',
      env: programEnv(),
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
    });
    child.once('exit', () => {
      ended = true;
    });
    child.once('error', () => {
      ended = true;
    });
    child.unref();
    await output.close();
    while (!ended) {
      const server = await findServer(target);
      if (server?.ready) {
        if (server.pid === child.pid) await writeFile(join(target.folder, 'port'), String(server.port));
        return;
      }
      await sleep(20);
    }
    const words = (await readFile(target.log)).subarray(before).toString('utf8');
    if (/lock file "postmaster.pid" already exists/.test(words)) return;
    const taken = /Address already in use/.test(words);
    const leftovers = /pre-existing shared memory block/.test(words);
    if (taken && fixedPort !== undefined) {
      throw new UserError(`port ${port} for PostgreSQL is in use by another program on 127.0.0.1`, 1);
    }
    if (!(taken || leftovers) || attempt === 20) throw startFailure(words, target.folder);
    // The children of a killed postmaster need a moment to notice and end.
    if (leftovers) await sleep(250);
  }
};

/** The port of the last start where it is free, so that an address noted by someone stays good. */
const choosePort = async (target: Cluster): Promise<number> => {
  const last = Number(await readIfThere(join(target.folder, 'port')));
  if (Number.isInteger(last) && last > 0 && (await freePort(last).catch(() => undefined))) return last;
  return freePort(0);
};

const freePort = (wanted: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

/**
 * Keeps the server's log under 8 MB and one older part beside it. The server appends to the open file, so
 * the file is copied and cut, not renamed.
 */
export const boundLog = async (path: string, limit = logLimit): Promise<void> => {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size <= limit) return;
  const file = await open(path, 'r');
  try {
    const tail = Buffer.alloc(limit);
    const { bytesRead } = await file.read(tail, 0, limit, size - limit);
    await writeFile(`${path}.1`, tail.subarray(0, bytesRead), { mode: 0o600 });
  } finally {
    await file.close();
  }
  await truncate(path, 0);
};

/**
 * Stops the server and waits for its end: sessions are ended, what is committed is on disk. Where it does not
 * end within a minute it is stopped at once, and the next start recovers from its log.
 */
export const stopServer = async (target: Cluster, server: Server): Promise<void> => {
  const phases = [
    { signal: 'SIGINT', ms: 60_000 },
    { signal: 'SIGQUIT', ms: 10_000 },
    { signal: 'SIGKILL', ms: 5_000 },
  ] as const;
  for (const { signal, ms } of phases) {
    try {
      process.kill(server.pid, signal);
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error;
    }
    for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) {
      if (!(await servesFolder(server.pid, target.data))) return;
    }
  }
  throw new Error(`PostgreSQL (process ${server.pid}) does not end`);
};
