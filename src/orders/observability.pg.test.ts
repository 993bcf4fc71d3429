import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sandboxCases, undeterminedCases } from '../../sandbox/cases.ts';
import { demoCompanies } from '../../sandbox/demo-companies.ts';
import { type Collector, startCollector } from '../../test/services/collector.ts';
import { type Desk, eventually, openDesk, orderOf } from '../../test/services/desk.ts';
import { type ServiceProcess, startService } from '../../test/services/service-process.ts';

// The services as they run in production, each a process of its own. The desk lends sandbox and database.
let desk: Desk;
let collector: Collector;
let api: ServiceProcess;
let worker: ServiceProcess;
let metrics: string;
const answered: { orderKey: string; requestId: string }[] = [];

const call = async (method: string, path: string, body?: unknown) => {
  const response = await fetch(`${api.line.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${await desk.token('CRD01', 'orders:read orders:write')}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
};

/** Everything that the sandbox knows how to make happen: each end, each refusal, partners that fail. */
const runEverything = async (): Promise<void> => {
  const faults = desk.sandbox.faults;
  faults.add({ partner: 'powers', kind: 'malformed', times: 1 });
  faults.add({ partner: 'registry', kind: 'html', times: 1 });
  faults.add({ partner: 'people', kind: 'wrong_shape', times: 2 });
  faults.add({ partner: 'notifications', kind: 'error', times: 2 });
  for (const { request } of [...sandboxCases(), ...undeterminedCases()]) {
    const { status, headers, text } = await call('POST', '/v1/orders', request);
    if (status !== 201) continue;
    const { orderKey } = JSON.parse(text) as { orderKey: string };
    answered.push({ orderKey, requestId: headers.get('x-request-id') ?? '' });
  }
  await call('POST', '/v1/orders/simulate', orderOf('joint'));
  await call('GET', `/v1/orders/${answered[0]?.orderKey}`);
  await call('GET', '/v1/orders?areaId=CRD02');
  await eventually('the end of every order that can end', async () => {
    const { rows } = await desk.db.query<{ open: number }>(
      `SELECT count(*)::int AS open FROM envelopes WHERE decidido_em IS NULL AND motivo_espera IS DISTINCT FROM 'needs_review'
         AND poder = 'sign_credit_contract' AND requisitante_id <> ALL ($1)`,
      [undeterminedCases().map(({ request }) => (request['requester'] as { document: string }).document)],
    );
    return rows[0]?.open === 0 ? true : undefined;
  });
};

beforeAll(async () => {
  desk = await openDesk({ worker: false });
  collector = await startCollector();
  const env = {
    LASTRO_HOME: desk.home,
    LASTRO_PORT: '0',
    LASTRO_LOG_LEVEL: 'trace',
    DATABASE_URL: desk.databaseUrl,
    PARTNERS_URL: desk.sandbox.url,
    OIDC_ISSUER: desk.sandbox.issuer,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  };
  [api, worker] = await Promise.all([startService('api', env), startService('worker', env)]);
  await runEverything();
  metrics = await (await fetch(`${api.line.url}/metrics`)).text();
  await sleep(200);
  await Promise.all([api.stop(), worker.stop()]);
}, 600_000);
afterAll(async () => {
  await collector.close();
  await desk.close();
});

type Line = Record<string, unknown>;

const jsonLines = (log: readonly string[]): Line[] =>
  log.filter((line) => !line.startsWith('lastro: ')).map((line) => JSON.parse(line) as Line);

describe('the logs', () => {
  it('are JSON, line by line', () => {
    for (const { log } of [api, worker])
      for (const line of jsonLines(log))
        expect(line).toMatchObject({
          level: expect.stringMatching(/^(trace|debug|info|warn|error|fatal)$/),
          time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
          service: expect.any(String),
          msg: expect.any(String),
        });
  });

  it('tell each order by its key, under the id of the request that made it, in API and worker', () => {
    for (const { orderKey, requestId } of answered) {
      expect(jsonLines(api.log)).toContainEqual(
        expect.objectContaining({ msg: 'request', orderKey, requestId }),
      );
      expect(jsonLines(worker.log)).toContainEqual(expect.objectContaining({ orderKey, requestId }));
    }
  });

  it('hold no CPF, e-mail or phone of anybody', () => {
    const text = [...api.log, ...worker.log].join('\n');
    expect(text.length).toBeGreaterThan(10_000);
    const people = [...demoCompanies().values()].flatMap((company) => company.people);
    expect(people.length).toBeGreaterThan(50);
    const declared = [
      'debora.azevedo@declarada.example',
      'carlos.pereira@declarada.example',
      '5511990000011',
    ];
    const secrets = [
      ...people.flatMap(({ cpf, email, telefone }) => [cpf, email, telefone, telefone?.replace('+', '')]),
      ...declared,
    ].filter((secret) => typeof secret === 'string');
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    // Nor of anybody whom this test does not think of.
    expect(text.match(/(?<![\w.-])\d{11}(?![\w.-])/g) ?? []).toEqual([]);
    expect((text.match(/[\w.+-]+@[\w-]+\.\w+/g) ?? []).filter((found) => !found.includes('***'))).toEqual([]);
  });

  it('hold no token', () => {
    expect([...api.log, ...worker.log].join('\n')).not.toMatch(/eyJ[\w-]{10,}\.[\w-]+\.[\w-]+/);
  });
});

describe('the traces', () => {
  const named = (pattern: RegExp) => collector.spans.filter(({ name }) => pattern.test(name));

  it('have a span for requests, jobs and calls to partners', () => {
    expect(named(/^POST \/v1\/orders$/)[0]).toMatchObject({
      service: 'lastro-api',
      attributes: { 'http.route': '/v1/orders', 'http.request.method': 'POST' },
    });
    expect(named(/^job assembly$/)[0]).toMatchObject({ service: 'lastro-worker' });
    for (const partner of ['parameters', 'domains', 'powers', 'people', 'registry', 'notifications'])
      expect(named(new RegExp(`^partner\\.${partner}\\.`)).length).toBeGreaterThan(0);
  });

  it('hang together: what a partner was asked for belongs to its request or job', () => {
    const ids = new Map(collector.spans.map((span) => [span.spanId, span]));
    const parentOf = (pattern: RegExp) =>
      named(pattern).map(({ parentSpanId }) => ids.get(parentSpanId ?? '')?.name);
    expect(new Set(parentOf(/^partner\.powers\./))).toEqual(
      new Set(['job assembly', 'POST /v1/orders/simulate']),
    );
    expect(parentOf(/^partner\.parameters\./)).toContain('POST /v1/orders');
  });

  it('hold no document of anybody', () => {
    const text = JSON.stringify(collector.spans.map(({ name, attributes }) => [name, attributes]));
    expect(text.match(/(?<!\w)\d{11}(?!\w)/g) ?? []).toEqual([]);
  });
});

describe('the metrics', () => {
  it('tell of requests, partners and jobs', () => {
    expect(metrics).toMatch(
      /lastro_http_request_duration_seconds_count\{.*route="\/v1\/orders",status="201".*\} \d+/,
    );
    expect(metrics).toMatch(/lastro_partner_\w+\{.*partner="parameters"/);
  });

  it('name routes by their pattern, so that keys do not become series', () => {
    expect(metrics).toContain('route="/v1/orders/:orderKey"');
    expect(metrics).not.toMatch(/route="[^"]*ord_/);
  });
});
