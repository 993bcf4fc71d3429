import type { Writable } from 'node:stream';
import { UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import { makeHome } from '../platform/home-folder.ts';
import { openCommandPostgres } from './command-postgres.ts';
import { lockHome, readUpRecord, removeUpRecord, type UpRecord, writeUpRecord } from './home-lock.ts';
import type { ProcessDeps } from './parts.ts';
import { listenFault, portFault, servesPort } from './ports.ts';
import { type SandboxProcess, startSandboxProcess } from './sandbox-process.ts';

export type UpDeps = {
  config: Config;
  sandbox: boolean;
  stderr: Writable;
  /** Aborted: the start is given up between two steps. */
  signal: AbortSignal;
};

export type Addresses = {
  readonly api: string;
  readonly docs: string;
  readonly sandbox: string | null;
  readonly issuer: string | null;
  readonly home: string;
  readonly pid: number;
};

export type Running = { readonly addresses: Addresses; readonly stop: () => Promise<void> };

/**
 * Starts PostgreSQL, the sandbox, API and worker in this process and answers their addresses. `stop` ends them
 * in the opposite order: no new requests, work in hand finished, then what it needed.
 * @throws UserError for a port in use, a second `lastro up` on the same home, and what the parts themselves
 * refuse; whatever was started is stopped before.
 */
export const up = async ({ config, sandbox, stderr, signal }: UpDeps): Promise<Running> => {
  const say = (line: string): void => void stderr.write(`lastro: ${line}\n`);
  const { LASTRO_HOME: home } = config;
  await checkPorts(config, sandbox);

  await makeHome(home);

  await using starting = new AsyncDisposableStack();
  // PostgreSQL and the sandbox are other processes: while they start, this one reads its own code.
  const code = Promise.all([import('./parts.ts'), import('./worker.ts'), import('./api.ts')]);
  const box = sandbox ? startSandbox(home, config.LASTRO_SANDBOX_PORT, say) : undefined;
  starting.defer(async () => (await box?.catch(() => undefined))?.stop());
  // Their failures are thrown where they are awaited, after PostgreSQL's own.
  Promise.all([code, box]).catch(() => {});
  const postgres = await openCommandPostgres(config, stderr);
  starting.defer(postgres.close);
  say(
    config.DATABASE_URL
      ? 'connected to DATABASE_URL'
      : `PostgreSQL ${postgres.reused ? 'joined' : 'started'}`,
  );
  // Another machine's lastro may share a DATABASE_URL: only the embedded one belongs to a single `up`.
  if (!config.DATABASE_URL) {
    const release = await lockHome(postgres.url);
    if (!release) throw alreadyUp(home, await readUpRecord(home));
    starting.defer(release);
  }
  const addresses = await box;
  if (addresses) say(`sandbox started (${addresses.url})`);
  const [{ openParts }, { startWorker }, { startApi }] = await code;
  signal.throwIfAborted();

  const deps: ProcessDeps = {
    config: {
      ...config,
      OIDC_ISSUER: config.OIDC_ISSUER ?? addresses?.issuer,
      PARTNERS_URL: config.PARTNERS_URL ?? addresses?.url,
      SMTP_URL: config.SMTP_URL ?? addresses?.smtp,
    },
    databaseUrl: postgres.url,
  };
  const desk = await openParts(deps, { service: 'lastro', works: true });
  starting.defer(desk.close);
  const worker = await startWorker(desk);
  starting.defer(worker.close);
  say('worker started');
  signal.throwIfAborted();
  const api = await startApi(desk);
  starting.defer(api.close);
  say(`API started (${api.url})`);

  const record: UpRecord = {
    pid: process.pid,
    api: api.url,
    sandbox: addresses?.url ?? null,
    startedAt: new Date().toISOString(),
  };
  await writeUpRecord(home, record);
  starting.defer(() => removeUpRecord(home));
  const parts = starting.move();
  return {
    addresses: {
      api: api.url,
      docs: `${api.url}/docs`,
      sandbox: record.sandbox,
      issuer: deps.config.OIDC_ISSUER ?? null,
      home,
      pid: process.pid,
    },
    stop: () => parts.disposeAsync(),
  };
};

const startSandbox = async (
  home: string,
  port: number,
  say: (line: string) => void,
): Promise<SandboxProcess> => {
  const box = await startSandboxProcess({ port, home });
  let stopping = false;
  void box.ended.then((words) => {
    if (!stopping) say(`the sandbox ended; orders wait until lastro is started again. ${words}`);
  });
  const stop = (): Promise<void> => {
    stopping = true;
    return box.stop();
  };
  return { ...box, stop };
};

const alreadyUp = (home: string, record: UpRecord | undefined): UserError =>
  new UserError(
    `lastro already runs on ${home}` +
      (record ? ` (process ${record.pid}, ${record.api})` : '') +
      '. Use that one, stop it first, or set LASTRO_HOME to another folder for a second one.',
    1,
  );

/** Before anything is started: who has a port in use learns it at once, and which lastro it is where it is ours. */
const checkPorts = async (config: Config, sandbox: boolean): Promise<void> => {
  const {
    LASTRO_HOME: home,
    LASTRO_HOST: host,
    LASTRO_PORT: port,
    LASTRO_SANDBOX_PORT: sandboxPort,
  } = config;
  const fault = await listenFault(host, port);
  if (fault) {
    const record = await readUpRecord(home);
    if (fault.code === 'EADDRINUSE' && (await servesPort(record, port))) throw alreadyUp(home, record);
    throw portFault(fault, { host, port, what: 'the API', advice: 'LASTRO_PORT (or --port) to a free port' });
  }
  const sandboxFault = sandbox && (await listenFault('127.0.0.1', sandboxPort));
  if (sandboxFault) {
    const advice = 'LASTRO_SANDBOX_PORT to a free port, or use --no-sandbox';
    throw portFault(sandboxFault, { host: '127.0.0.1', port: sandboxPort, what: 'the sandbox', advice });
  }
};
