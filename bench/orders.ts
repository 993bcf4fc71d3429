import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { Pool as HttpPool } from 'undici';
import { openDirectory } from '../sandbox/directory.ts';
import { mintToken } from '../sandbox/token.ts';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { machine, quantile } from './machine.ts';
import { cpuSecondsOf, type Running, residentMiB, start } from './processes.ts';

// The order desk as a bank runs it, on one machine: API, worker and sandbox as processes of their own, the
// embedded PostgreSQL, partners that answer in 20 ms, and this load generator beside them.

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '6000' },
    alone: { type: 'string', default: '200' },
    rate: { type: 'string', default: '100' },
    memory: { type: 'string', default: '20000' },
    stored: { type: 'string', default: '200000' },
    concurrency: { type: 'string', default: '48' },
    'latency-ms': { type: 'string', default: '20' },
    home: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(`npm run bench:orders -- [--orders 6000] [--alone 200] [--rate 100] [--memory 20000]
  [--stored 200000] [--concurrency 48] [--latency-ms 20] [--home FOLDER, kept] [--json]
--rate (orders a second, for 20 s), --memory and --stored take 0 to leave that part out.\n`);
  process.exit(0);
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const home = values.home ?? (await mkdtemp(join(tmpdir(), 'lastro-bench-')));
const port = 18_480;
const sandboxPort = 18_481;
const closers: (() => Promise<unknown>)[] = values.home
  ? []
  : [() => rm(home, { recursive: true, force: true })];

type Desk = {
  api: Running;
  worker: Running;
  sandbox: Running;
  http: HttpPool;
  db: pg.Pool;
  token: string;
  postgresPid: number;
};

const openDesk = async (): Promise<Desk> => {
  const postgres = await startEmbeddedPostgres({ home });
  closers.push(() => postgres.stop());
  const sandbox = await start(
    ['sandbox/main.ts', '--port', String(sandboxPort), '--home', home, '--latency-ms', values['latency-ms']],
    {},
  );
  closers.push(sandbox.stop);
  const issuer = String(sandbox.line.issuer);
  const env = {
    LASTRO_HOME: home,
    LASTRO_PORT: String(port),
    LASTRO_WORKER_PORT: '0',
    LASTRO_LOG_LEVEL: 'error',
    DATABASE_URL: postgres.url,
    PARTNERS_URL: String(sandbox.line.url),
    OIDC_ISSUER: issuer,
    RATE_LIMIT_PER_MINUTE: '100000000',
  };
  const worker = await start(['src/entry/lastro.ts', 'worker'], env);
  closers.push(worker.stop);
  const api = await start(['src/entry/lastro.ts', 'api'], env);
  closers.push(api.stop);
  const db = new pg.Pool({ connectionString: postgres.url, max: 2 });
  closers.push(() => db.end());
  const http = new HttpPool(`http://127.0.0.1:${port}`, { connections: Number(values.concurrency) });
  closers.push(() => http.close());
  const { token } = await mintToken({ issuer, area: 'CRD01', scope: 'orders:write orders:read' });
  const { rows } = await db
    .query<{ dir: string }>('SHOW data_directory AS dir')
    .catch(() => db.query<{ dir: string }>("SELECT current_setting('data_directory') AS dir"));
  const pidFile = await readFile(join(rows[0]?.dir ?? '', 'postmaster.pid'), 'utf8');
  return { api, worker, sandbox, http, db, token, postgresPid: Number(pidFile.split('\n')[0]) };
};

// The seed and the number that the sandbox itself uses.
const companies = openDirectory(20_261_122, 1_000)
  .list()
  .filter(({ demo }) => demo === null)
  .map(({ cnpj }) => cnpj);

const place = async ({ http, token }: Desk, index: number): Promise<string> => {
  const { statusCode, body } = await http.request({
    method: 'POST',
    path: '/v1/orders',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': `bench-${process.pid}-${index}`,
    },
    body: JSON.stringify({
      areaId: 'CRD01',
      platform: 'bankline',
      signatureMethod: 'digital',
      power: 'sign_credit_contract',
      amountCents: 12_500_000,
      requester: { type: 'company', document: companies[index % companies.length] },
    }),
  });
  const text = await body.text();
  if (statusCode !== 201) throw new Error(`expected 201, found ${statusCode}: ${text}`);
  return (JSON.parse(text) as { orderKey: string }).orderKey;
};

const openOrders = async (db: pg.Pool): Promise<number> => {
  const { rows } = await db.query<{ n: string }>(
    // An order that waits for a review is done as far as the desk goes: a few of the sandbox's companies need one.
    `SELECT count(*) AS n FROM envelopes
     WHERE status_envelope IN ('rascunho', 'em_processamento') AND motivo_espera IS DISTINCT FROM 'needs_review'`,
  );
  return Number(rows[0]?.n ?? 0);
};

const untilDecided = async (db: pg.Pool): Promise<void> => {
  while ((await openOrders(db)) > 0) await sleep(100);
};

let sent = 0;

/** Places orders with all connections busy, and waits until the last is decided. */
const flood = async (desk: Desk, count: number): Promise<{ seconds: number; from: Date }> => {
  const from = new Date();
  const began = performance.now();
  let left = count;
  await Promise.all(
    Array.from({ length: Number(values.concurrency) }, async () => {
      while (left-- > 0) await place(desk, sent++);
    }),
  );
  await untilDecided(desk.db);
  return { seconds: (performance.now() - began) / 1_000, from };
};

const decisionTimes = async (db: pg.Pool, from: Date): Promise<number[]> => {
  const { rows } = await db.query<{ ms: number }>(
    `SELECT extract(epoch FROM decidido_em - data_criacao)::float8 * 1000 AS ms FROM envelopes
     WHERE data_criacao >= $1 AND decidido_em IS NOT NULL`,
    [from],
  );
  return rows.map(({ ms }) => ms);
};

const transactions = async (db: pg.Pool): Promise<number> => {
  await sleep(1_100);
  const { rows } = await db.query<{ n: string }>('SELECT sum(xact_commit) AS n FROM pg_stat_database');
  return Number(rows[0]?.n ?? 0);
};

const cpuByPart = (desk: Desk): Record<string, number> => ({
  api: cpuSecondsOf(desk.api.pid),
  worker: cpuSecondsOf(desk.worker.pid),
  postgres: cpuSecondsOf(desk.postgresPid),
  sandbox: cpuSecondsOf(desk.sandbox.pid),
  // The load generator: this process.
  clients: process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
});

const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

const measureThroughput = async (desk: Desk, count: number) => {
  const before = { tx: await transactions(desk.db), cpu: cpuByPart(desk) };
  const { seconds, from } = await flood(desk, count);
  const after = { tx: await transactions(desk.db), cpu: cpuByPart(desk) };
  const times = await decisionTimes(desk.db, from);
  return {
    orders: count,
    ordersPerSecond: round(count / seconds),
    decisionP50Ms: round(quantile(times, 0.5)),
    decisionP99Ms: round(quantile(times, 0.99)),
    transactionsPerOrder: round((after.tx - before.tx) / count),
    cpuMsPerOrder: Object.fromEntries(
      Object.entries(after.cpu).map(([part, used]) => [
        part,
        round(((used - (before.cpu[part] ?? 0)) / count) * 1_000, 2),
      ]),
    ),
  };
};

/** One order at a time: from the request until the decision is there to be read. */
const measureAlone = async (desk: Desk, count: number) => {
  const whole: number[] = [];
  const from = new Date();
  for (let index = 0; index < count; index++) {
    const began = performance.now();
    const orderKey = await place(desk, sent++);
    for (;;) {
      const { rows } = await desk.db.query<{ done: boolean }>(
        'SELECT decidido_em IS NOT NULL OR motivo_espera IS NOT NULL AS done FROM envelopes WHERE envelope_id = $1',
        [orderKey],
      );
      if (rows[0]?.done) break;
      await sleep(2);
    }
    whole.push(performance.now() - began);
  }
  const times = await decisionTimes(desk.db, from);
  return {
    orders: count,
    requestToDecisionP50Ms: round(quantile(whole, 0.5)),
    requestToDecisionP99Ms: round(quantile(whole, 0.99)),
    createdToDecidedP50Ms: round(quantile(times, 0.5)),
  };
};

/** Orders that come evenly, whether or not earlier ones are answered: what a client sees below the most. */
const measureSteady = async (desk: Desk, perSecond: number) => {
  const from = new Date();
  const began = performance.now();
  const answers: Promise<number>[] = [];
  const placeTimed = async (): Promise<number> => {
    const asked = performance.now();
    await place(desk, sent++);
    return performance.now() - asked;
  };
  while (answers.length < perSecond * 20) {
    const due = Math.floor(((performance.now() - began) / 1_000) * perSecond);
    while (answers.length < due) answers.push(placeTimed());
    await sleep(2);
  }
  const answered = await Promise.all(answers);
  await untilDecided(desk.db);
  const times = await decisionTimes(desk.db, from);
  return {
    ordersPerSecond: perSecond,
    answerP50Ms: round(quantile(answered, 0.5)),
    answerP99Ms: round(quantile(answered, 0.99)),
    createdToDecidedP50Ms: round(quantile(times, 0.5)),
    createdToDecidedP99Ms: round(quantile(times, 0.99)),
  };
};

const measureMemory = async (desk: Desk, count: number) => {
  const samples: { orders: number; apiMiB: number; workerMiB: number }[] = [];
  for (let done = 0; done < count; done += count / 5) {
    await flood(desk, count / 5);
    samples.push({
      orders: done + count / 5,
      apiMiB: Math.round(residentMiB(desk.api.pid)),
      workerMiB: Math.round(residentMiB(desk.worker.pid)),
    });
  }
  return samples;
};

/** Spreads copies over twenty areas. */
const areaOfCopy = "'A' || (('x' || substr(md5(envelope_id || '$copy'), 1, 4))::bit(16)::int % 20)";

/** What is made anew for a copy, beside the order's key; `''`: left to the table. `$copy` is the copy's number. */
const copied: Record<string, Record<string, string>> = {
  envelopes: { area_id: areaOfCopy },
  partes: {},
  participantes: {},
  evidencias: {},
  eventos_envelope: { sequencia: '' },
  mensagens: {
    sequencia: '',
    transacao: '',
    area_id: areaOfCopy,
    mensagem_id: "'msg_01D' || upper(substr(md5(mensagem_id || '$copy'), 1, 23))",
  },
};

/** Copies decided orders, with all that belongs to them, until the tables hold `count` more. */
const store = async (db: pg.Pool, count: number): Promise<void> => {
  const { rows } = await db.query<{ decided: number; kept: number }>(
    `SELECT count(*) FILTER (WHERE envelope_id NOT LIKE 'ord_01D%')::int AS decided,
       count(*) FILTER (WHERE envelope_id LIKE 'ord_01D%')::int AS kept FROM envelopes WHERE decidido_em IS NOT NULL`,
  );
  const { decided = 1, kept = 0 } = rows[0] ?? {};
  for (let copy = 1; copy <= Math.ceil((count - kept) / decided); copy++) {
    // A ULID of 2020 and after: older than the orders that are measured, spread over the key's range.
    const envelope_id = `'ord_01D' || upper(substr(md5(envelope_id || '${copy}'), 1, 23))`;
    for (const [table, own] of Object.entries(copied)) {
      const { rows: columns } = await db.query<{ name: string }>(
        `SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'`,
        [table],
      );
      const made: Record<string, string> = { envelope_id, ...own };
      const names = columns.map(({ name }) => name).filter((name) => made[name] !== '');
      await db.query(
        `INSERT INTO ${table} (${names.join(', ')})
         SELECT ${names.map((name) => made[name]?.replaceAll('$copy', String(copy)) ?? name).join(', ')} FROM ${table}
         WHERE envelope_id IN (SELECT envelope_id FROM envelopes WHERE envelope_id NOT LIKE 'ord_01D%' AND decidido_em IS NOT NULL)
         ON CONFLICT DO NOTHING`,
      );
    }
  }
  // Else the measured orders pay for what the copying left to do: writing pages back, freezing, autovacuum.
  await db.query('VACUUM (FREEZE, ANALYZE)');
  await db.query('CHECKPOINT');
};

try {
  say(machine());
  const desk = await openDesk();
  await flood(desk, 500);
  const result: Record<string, unknown> = {
    machine: machine(),
    partnersAnswerInMs: Number(values['latency-ms']),
  };
  say('alone …');
  result.alone = await measureAlone(desk, Number(values.alone));
  say(JSON.stringify(result.alone));
  if (Number(values.rate) > 0) {
    say('steady …');
    result.steady = await measureSteady(desk, Number(values.rate));
    say(JSON.stringify(result.steady));
  }
  say('under load …');
  const fresh = await measureThroughput(desk, Number(values.orders));
  result.underLoad = fresh;
  say(JSON.stringify(fresh));
  if (Number(values.memory) > 0) {
    say('memory …');
    result.memory = await measureMemory(desk, Number(values.memory));
    say(JSON.stringify(result.memory));
  }
  if (Number(values.stored) > 0) {
    say(`with ${values.stored} orders stored …`);
    await store(desk.db, Number(values.stored));
    await flood(desk, 2_000);
    const stored = await measureThroughput(desk, Number(values.orders));
    result.withStored = { stored: Number(values.stored), ...stored };
    result.ratioWithStored = round(stored.ordersPerSecond / fresh.ordersPerSecond, 2);
  }
  process.stdout.write(`${JSON.stringify(result, null, values.json ? 0 : 2)}\n`);
} finally {
  for (const close of closers.reverse()) await close();
}
