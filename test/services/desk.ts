import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { demoCompanies } from '../../sandbox/demo-companies.ts';
import type { DemoCompany } from '../../sandbox/demo-company.ts';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { mintToken } from '../../sandbox/token.ts';
import { startApi } from '../../src/entry/api.ts';
import { openParts, type Parts } from '../../src/entry/parts.ts';
import { startWorker } from '../../src/entry/worker.ts';
import type { OrderView } from '../../src/orders/view.ts';
import { parseConfig } from '../../src/platform/config.ts';
import type { ReportMaker } from '../../src/reports/reports.ts';
import { type TestDatabase, testDatabase } from './postgres.ts';

export type Answer<Body> = { status: number; headers: Headers; text: string; body: Body };

export type CallOptions = {
  /** A bearer token; null: none. Default: the area CRD01's own system, which may read and write orders. */
  as?: string | null;
  /** An object goes as JSON, a text as it is. */
  body?: unknown;
  headers?: Record<string, string>;
};

/** A whole order desk: API, worker and sandbox in this process, on free ports, over a database of its own. */
export type Desk = {
  readonly url: string;
  readonly db: pg.Pool;
  readonly databaseUrl: string;
  readonly home: string;
  readonly sandbox: Sandbox;
  readonly parts: Parts;
  readonly token: (area: string, scope: string) => Promise<string>;
  readonly call: <Body = OrderView>(
    method: string,
    path: string,
    options?: CallOptions,
  ) => Promise<Answer<Body>>;
  /** Places an order that must be taken. */
  readonly place: (request: object, options?: CallOptions) => Promise<OrderView>;
  readonly order: (orderKey: string, options?: CallOptions) => Promise<OrderView>;
  /** Polls an order until it is as asked. */
  readonly until: (
    orderKey: string,
    is: (order: OrderView) => boolean,
    options?: CallOptions,
  ) => Promise<OrderView>;
  /** Places an order and waits for its end. */
  readonly decide: (request: object, options?: CallOptions) => Promise<OrderView>;
  readonly startWorker: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export type DeskOptions = {
  env?: Record<string, string>;
  /** false: jobs stay where they are until `startWorker`. */
  worker?: boolean;
  /** Default: a database of the run's own server. */
  database?: TestDatabase;
  /** In place of what makes the files of reports. */
  maker?: ReportMaker;
};

export const isDecided = ({ status }: OrderView): boolean => status === 'completed' || status === 'failed';
export const isWaiting = ({ waiting }: OrderView): boolean => waiting !== null;

export const openDesk = async ({
  env = {},
  worker = true,
  database: given,
  maker,
}: DeskOptions = {}): Promise<Desk> => {
  await using opened = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'lastro-desk-'));
  opened.defer(() => rm(home, { recursive: true, force: true }));
  const database = given ?? (await testDatabase());
  opened.defer(database.drop);
  const sandbox = await startSandbox({ port: 0, home, companies: 10 });
  opened.defer(() => sandbox.close());
  const config = parseConfig({
    LASTRO_HOME: home,
    LASTRO_PORT: '0',
    LASTRO_LOG_LEVEL: 'fatal',
    // A partner is late only where a test makes it late, however busy the machine is.
    PARTNERS_TIMEOUT_MS: '30000',
    OIDC_ISSUER: sandbox.issuer,
    PARTNERS_URL: sandbox.url,
    ...env,
  });
  const all = await openParts({ config, databaseUrl: database.url }, { service: 'desk', works: true });
  opened.defer(all.close);
  const parts = maker ? { ...all, reports: { ...all.reports, maker } } : all;
  if (worker) {
    const running = await startWorker(parts);
    opened.defer(running.close);
  }
  const api = await startApi(parts);
  opened.defer(api.close);
  const kept = opened.move();
  const tokens = new Map<string, Promise<string>>();
  const desk = { url: api.url, db: database.pool, databaseUrl: database.url, home, sandbox, parts };
  return {
    ...desk,
    ...clientOf(api.url, (area, scope) => {
      const found =
        tokens.get(`${area} ${scope}`) ??
        mintToken({ issuer: sandbox.issuer, area, scope }).then(({ token }) => token);
      tokens.set(`${area} ${scope}`, found);
      return found;
    }),
    startWorker: async () => {
      const running = await startWorker(parts);
      kept.defer(running.close);
    },
    close: () => kept.disposeAsync(),
  };
};

type Client = Pick<Desk, 'token' | 'call' | 'place' | 'order' | 'until' | 'decide'>;

const clientOf = (url: string, token: Desk['token']): Client => {
  const call: Desk['call'] = async <Body>(
    method: string,
    path: string,
    { as, body, headers = {} }: CallOptions = {},
  ) => {
    const bearer = as === undefined ? await token('CRD01', 'orders:read orders:write') : as;
    const response = await fetch(`${url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson ? JSON.parse(text) : undefined) as Body,
    };
  };
  const order: Desk['order'] = async (orderKey, { as } = {}) => {
    const answer = await call('GET', `/v1/orders/${orderKey}`, { ...(as === undefined ? {} : { as }) });
    if (answer.status !== 200) throw new Error(`expected the order ${orderKey}, found ${answer.text}`);
    return answer.body;
  };
  const place: Desk['place'] = async (request, options) => {
    const answer = await call('POST', '/v1/orders', { ...options, body: request });
    if (answer.status !== 201) throw new Error(`expected a new order, found ${answer.text}`);
    return answer.body;
  };
  const until: Desk['until'] = async (orderKey, is, options) => {
    let found: OrderView | undefined;
    return eventually(
      'the order to become as asked',
      async () => {
        found = await order(orderKey, options);
        return is(found) ? found : undefined;
      },
      () => JSON.stringify(found),
    );
  };
  return {
    token,
    call,
    order,
    place,
    until,
    decide: async (request, options) => until((await place(request, options)).orderKey, isDecided, options),
  };
};

const demos = demoCompanies();

/** One of the sandbox's named companies. */
export const demo = (key: string): DemoCompany => {
  const found = demos.get(key);
  if (!found) throw new Error(`expected a demo company of the sandbox, found "${key}"`);
  return found;
};

/** An order of the area CRD01 for one of the sandbox's named companies. */
export const orderOf = (key: string, change: object = {}) => ({
  areaId: 'CRD01',
  platform: 'bankline',
  signatureMethod: 'digital',
  power: 'sign_credit_contract',
  amountCents: 12_500_000,
  requester: { type: 'company', document: demo(key).company.cnpj },
  ...change,
});

const patienceMs = 90_000;

/** Tries until it answers something. The limit is for what never comes, far from what a busy machine needs. */
export const eventually = async <T>(
  what: string,
  look: () => Promise<T | undefined>,
  seen: () => string = () => 'nothing',
): Promise<T> => {
  for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(20)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`expected ${what}, waited ${patienceMs / 1_000} s for it in vain; found last: ${seen()}`);
};
