import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PipelineRoom, pipelineRoom } from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { listIntervals } from '../platform/ledger-views.ts';
import type { HttpSource, Pipeline, Silver } from './declaration.ts';
import { definePipeline, secret } from './define.ts';
import { openTransport } from './transport.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let database: TestDatabase;
let room: PipelineRoom;
let server: Server;
let handler: Handler = (_, response) => response.end('[]');
const transport = openTransport();
let made = 0;

beforeAll(async () => {
  database = await testDatabase();
  room = await pipelineRoom(database.pool, { at: '2024-01-03T02:00:00Z' });
  server = createServer((request, response) => handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await transport.close();
  await room.close();
  await database.drop();
});

const makePipeline = ({
  source = {},
  silver = {},
}: {
  source?: Partial<HttpSource>;
  silver?: Partial<Silver>;
} = {}) =>
  definePipeline({
    name: `fault_${++made}`,
    about: 'an API that misbehaves',
    source: {
      kind: 'http',
      base: { env: 'X', default: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
      path: '/rows?day={from:date}&page={page}',
      pagination: { kind: 'page', size: 2 },
      retry: { tries: 3, delayMs: 1 },
      timeoutMs: 2_000,
      ...source,
    },
    windows: [{ every: 'day', from: '2024-01-01', catchUpSpan: 1 }],
    silver: {
      columns: {
        id: { type: 'int' },
        valor: { type: 'decimal(10,2)', required: true },
        nota: { type: 'string' },
      },
      key: ['id'],
      budget: { share: 1 },
      ...silver,
    },
  });

const run = (pipeline: Pipeline, env: NodeJS.ProcessEnv = {}, limit = 2) =>
  room.run(pipeline, { limit }, { send: transport.send, env });

const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof value === 'string' ? value : JSON.stringify(value));
};

const pageOf = (request: IncomingMessage): { day: string; page: number } => {
  const { searchParams } = new URL(request.url ?? '', 'http://x');
  return { day: searchParams.get('day') ?? '', page: Number(searchParams.get('page')) };
};

const row = (id: number): object => ({ id, valor: `${id}.50`, nota: 'a' });

const states = async (pipeline: Pipeline): Promise<string[]> =>
  (await listIntervals(database.pool, { pipeline: pipeline.name })).map(({ state }) => state);

const bronze = (pipeline: Pipeline) => room.rows(`bronze.${pipeline.name}`, 'pagina, status, recusada');

/** Answers three rows on two pages, but for the n-th request, which `fault` answers. */
const failing = (nth: (call: number) => boolean, fault: Handler): Handler => {
  let call = 0;
  return (request, response) => {
    if (nth(++call)) return fault(request, response);
    const { page } = pageOf(request);
    json(response, page === 1 ? [row(1), row(2)] : [row(3)]);
  };
};

describe('an API that', () => {
  it.each([429, 500, 503])(
    'answers %i now and then: the page is tried again, and every answer is in bronze',
    async (status) => {
      const pipeline = makePipeline();
      handler = failing(
        (call) => call === 2,
        (_, response) => json(response, { error: 'later' }, status),
      );
      const { windows } = await run(pipeline);
      expect(windows.map(({ state }) => state)).toEqual(['done', 'done']);
      expect(await room.rows(`silver.${pipeline.name}`, 'id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
      expect(await bronze(pipeline)).toContainEqual({
        pagina: 1,
        status,
        recusada: status === 429 ? 'throttled' : 'server_error',
      });
    },
  );

  it('fails for good on a later page: the pages before are kept, and the next run asks for that page alone', async () => {
    const pipeline = makePipeline();
    const asked: number[] = [];
    let down = true;
    handler = (request, response) => {
      const { page } = pageOf(request);
      asked.push(page);
      if (page === 2 && down) return json(response, 'oops', 500);
      json(response, page === 1 ? [row(1), row(2)] : [row(3)]);
    };
    const failed = await run(pipeline);
    expect(failed.windows).toMatchObject([{ state: 'failed' }]);
    expect(await states(pipeline)).toEqual(['failed']);
    expect(await bronze(pipeline)).toHaveLength(4);
    expect(await room.rows(`silver.${pipeline.name}`)).toEqual([]);
    down = false;
    asked.length = 0;
    const { windows } = await run(pipeline);
    expect(windows[0]).toMatchObject({
      state: 'done',
      report: { calls: 1, resumed: true, records: 3, added: 3 },
    });
    expect(asked[0]).toBe(2);
    expect(await states(pipeline)).toEqual(['done', 'done']);
  });

  it('is down for long: the window becomes a hole that is seen, and a later run fills it by itself', async () => {
    const pipeline = makePipeline();
    handler = (_, response) => json(response, 'down', 500);
    for (let attempt = 0; attempt < 5; attempt++) await run(pipeline);
    expect(await states(pipeline)).toEqual(['hole']);
    handler = failing(
      () => false,
      () => {},
    );
    // Not at once: only what has not been tried for six hours.
    expect((await run(pipeline)).windows).toHaveLength(1);
    expect(await states(pipeline)).toEqual(['hole', 'done']);
    // The ledger's instants are the database's clock.
    room.setClock(new Date(Date.now() + 7 * 3_600_000).toISOString());
    const { windows } = await run(pipeline, {}, 1).finally(() => room.setClock('2024-01-03T02:00:00Z'));
    expect(windows[0]).toMatchObject({ state: 'done' });
    expect((await states(pipeline))[0]).toBe('done');
  });

  it('is slow beyond the time limit: tried again, then failed as no answer, never as an empty one', async () => {
    const pipeline = makePipeline({ source: { timeoutMs: 50, retry: { tries: 2, delayMs: 1 } } });
    handler = () => {};
    expect((await run(pipeline)).windows).toMatchObject([
      { state: 'failed', error: expect.stringContaining('timeout') },
    ]);
    expect(await states(pipeline)).toEqual(['failed']);
    expect(await bronze(pipeline)).toEqual([
      { pagina: 0, status: null, recusada: 'timeout' },
      { pagina: 0, status: null, recusada: 'timeout' },
    ]);
  });

  it('answers HTML with status 200: refused, kept as evidence, tried again', async () => {
    const pipeline = makePipeline();
    handler = failing(
      (call) => call === 1,
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end('<html>maintenance</html>');
      },
    );
    expect((await run(pipeline)).windows).toMatchObject([{ state: 'done' }, { state: 'done' }]);
    expect(await bronze(pipeline)).toContainEqual({ pagina: 0, status: 200, recusada: 'not_json' });
  });

  it.each([
    [
      'with a length that it does not keep',
      { 'content-length': '400', 'content-type': 'application/json' },
      null,
      'connection',
    ],
    ['without a length', { 'content-type': 'application/json' }, 200, 'truncated'],
  ])('cuts the body %s: refused and tried again', async (_, headers, status, recusada) => {
    const pipeline = makePipeline();
    handler = failing(
      (call) => call === 1,
      (__, response) => {
        response.writeHead(200, headers as Record<string, string>);
        response.write('[{"id":1,"valor":"1.5');
        if (status === null) response.destroy();
        else response.end();
      },
    );
    expect((await run(pipeline)).windows).toMatchObject([{ state: 'done' }, { state: 'done' }]);
    expect(await bronze(pipeline)).toContainEqual({ pagina: 0, status, recusada });
  });

  it('says success with nothing where something was expected: not done, no watermark, later windows go on', async () => {
    const pipeline = makePipeline({
      silver: { expects: ({ from }) => (from.toISOString().startsWith('2024-01-01') ? 1 : 0) },
    });
    handler = (_, response) => json(response, []);
    const { windows } = await run(pipeline);
    expect(windows).toMatchObject([
      { state: 'failed', error: expect.stringContaining('expected at least 1 records, found 0') },
      { state: 'done' },
    ]);
    expect(await states(pipeline)).toEqual(['failed', 'done']);
    handler = failing(
      () => false,
      () => {},
    );
    expect((await run(pipeline)).windows).toMatchObject([{ state: 'done', report: { added: 3 } }]);
    expect(await states(pipeline)).toEqual(['done', 'done']);
  });

  it('sends us elsewhere: neither a redirect nor a foreign next page is followed, so no secret leaves', async () => {
    const seen: (string | undefined)[] = [];
    const headers = { authorization: secret('API_TOKEN', 'Bearer ') };
    const redirected = makePipeline({ source: { headers } });
    handler = (request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: 'http://evil.example/' });
      response.end();
    };
    expect((await run(redirected, { API_TOKEN: 's3cret' })).windows).toMatchObject([
      { state: 'failed', error: expect.stringContaining('redirect') },
    ]);
    expect(seen).toEqual(['Bearer s3cret']);
    const sent = await room.rows(`bronze.${redirected.name}`, 'cabecalhos_enviados');
    expect(JSON.stringify(sent)).not.toContain('s3cret');
    expect(JSON.stringify(sent)).toContain('(API_TOKEN)');

    const linked = makePipeline({
      source: {
        path: '/rows?day={from:date}',
        pagination: { kind: 'link', at: 'next' },
        records: 'items',
        headers,
      },
    });
    handler = (_, response) => json(response, { items: [row(1)], next: 'http://evil.example/more' });
    expect((await run(linked, { API_TOKEN: 's3cret' })).windows).toMatchObject([
      { state: 'failed', error: expect.stringContaining('evil.example') },
    ]);
    const missing = makePipeline({ source: { headers } });
    expect((await run(missing)).windows).toMatchObject([
      { state: 'failed', error: expect.stringContaining('API_TOKEN') },
    ]);
  });
});

describe('an API whose records change', () => {
  const changed =
    (record: object): Handler =>
    (_, response) =>
      json(response, [row(1), record].slice(0, 2).concat([]));
  const contract = (
    mode: 'evolve' | 'freeze' | 'quarantine_row' | 'quarantine_value',
    silver: Partial<Silver> = {},
  ) =>
    makePipeline({
      source: { pagination: { kind: 'none' }, path: '/rows?day={from:date}' },
      silver: { contract: { columns: mode, types: mode }, ...silver },
    });
  const one = async (pipeline: Pipeline) => (await run(pipeline)).windows[0];
  const silver = (pipeline: Pipeline) =>
    room.rows(`silver.${pipeline.name}`, '* EXCLUDE (valido_desde, captura_id, posicao, hash_linha)');
  const quarantine = (pipeline: Pipeline) =>
    room.rows(`silver.${pipeline.name}_quarentena`, 'alcance, coluna, motivo, registro');

  describe('a type', () => {
    const columns = {
      id: { type: 'int' },
      valor: { type: 'decimal(10,2)', required: true },
      idade: { type: 'int' },
    } as const;
    const odd = { id: 2, valor: 2.5, idade: 'dois' };
    const fine = { id: 1, valor: '1.50', idade: null };

    it('a decimal that comes as a number in place of text is the same decimal, to the digit', async () => {
      const pipeline = contract('quarantine_row');
      handler = (_, response) =>
        json(response, '[{"id":1,"valor":5.07730},{"id":2,"valor":123456789012345678.1}]');
      await one(pipeline);
      expect(await silver(pipeline)).toEqual([]);
      const exact = contract('quarantine_row', {
        columns: { id: { type: 'int' }, valor: { type: 'decimal(38,10)' } },
      });
      await one(exact);
      expect(await silver(exact)).toEqual([
        { id: 1, valor: '5.0773000000' },
        { id: 2, valor: '123456789012345678.1000000000' },
      ]);
    });

    it('evolve: the value goes to a text column beside it', async () => {
      const pipeline = contract('evolve', { columns });
      handler = (_, response) => json(response, [fine, odd]);
      expect(await one(pipeline)).toMatchObject({ state: 'done' });
      expect(await silver(pipeline)).toEqual([
        { id: 1, valor: '1.50', idade: null, idade__texto: null },
        { id: 2, valor: '2.50', idade: null, idade__texto: 'dois' },
      ]);
    });

    it('freeze: the run stops, silver stays as it was', async () => {
      const pipeline = contract('freeze', { columns });
      handler = (_, response) => json(response, [fine, odd]);
      expect(await one(pipeline)).toMatchObject({
        state: 'failed',
        error: expect.stringContaining('"idade": tipo'),
      });
      expect(await silver(pipeline)).toEqual([]);
    });

    it('quarantine_row: the row is kept in quarantine with its reason', async () => {
      const pipeline = contract('quarantine_row', { columns });
      handler = (_, response) => json(response, [fine, odd]);
      expect(await one(pipeline)).toMatchObject({ state: 'done', report: { quarantined: 1 } });
      expect(await silver(pipeline)).toHaveLength(1);
      expect(await quarantine(pipeline)).toEqual([
        {
          alcance: 'linha',
          coluna: 'idade',
          motivo: 'tipo',
          registro: '{"id":2,"valor":2.5,"idade":"dois"}',
        },
      ]);
    });

    it('quarantine_value: the row stays, the value goes', async () => {
      const pipeline = contract('quarantine_value', { columns });
      handler = (_, response) => json(response, [fine, odd]);
      await one(pipeline);
      expect(await silver(pipeline)).toMatchObject([{ id: 1 }, { id: 2, valor: '2.50', idade: null }]);
      expect(await quarantine(pipeline)).toMatchObject([
        { alcance: 'valor', coluna: 'idade', motivo: 'tipo' },
      ]);
    });
  });

  describe('a field is gone', () => {
    it.each(['evolve', 'quarantine_row', 'quarantine_value'] as const)(
      '%s: a required one sends its rows to quarantine',
      async (mode) => {
        const pipeline = contract(mode);
        handler = (_, response) => json(response, [row(1), { id: 2, nota: 'b' }]);
        expect(await one(pipeline)).toMatchObject({ state: 'done', report: { quarantined: 1 } });
        expect(await quarantine(pipeline)).toMatchObject([{ coluna: 'valor', motivo: 'ausente' }]);
      },
    );

    it('freeze: stops, and says which', async () => {
      const pipeline = contract('freeze');
      handler = (_, response) => json(response, [{ id: 1, valor: '1' }]);
      expect(await one(pipeline)).toMatchObject({
        state: 'failed',
        error: expect.stringContaining('"nota"'),
      });
    });

    it('an optional one is null, and the report says so', async () => {
      const pipeline = contract('evolve');
      handler = (_, response) => json(response, [{ id: 1, valor: '1' }]);
      expect(await one(pipeline)).toMatchObject({
        report: { notices: ['no record has the field of column nota'] },
      });
      expect(await silver(pipeline)).toEqual([{ id: 1, valor: '1.00', nota: null }]);
    });
  });

  describe('a field is new', () => {
    it('evolve: a text column more, old rows without it', async () => {
      const pipeline = contract('evolve');
      handler = changed({ ...row(2), novoCampo: 1.5 });
      expect(await one(pipeline)).toMatchObject({
        report: { notices: [expect.stringContaining('novoCampo')] },
      });
      expect(await silver(pipeline)).toMatchObject([{ novo_campo: null }, { novo_campo: '1.5' }]);
    });

    it.each([
      ['quarantine_row', 1, 'linha'],
      ['quarantine_value', 2, 'valor'],
    ] as const)('%s', async (mode, rows, alcance) => {
      const pipeline = contract(mode);
      handler = changed({ ...row(2), novoCampo: 1.5 });
      await one(pipeline);
      expect(await silver(pipeline)).toHaveLength(rows);
      expect(await quarantine(pipeline)).toMatchObject([
        { alcance, coluna: 'novoCampo', motivo: 'campo_novo' },
      ]);
    });

    it('freeze: stops', async () => {
      const pipeline = contract('freeze');
      handler = changed({ ...row(2), novoCampo: 1.5 });
      expect(await one(pipeline)).toMatchObject({
        state: 'failed',
        error: expect.stringContaining('novoCampo'),
      });
    });
  });

  it('too many bad rows stop the run: nothing of it is in silver, and the API is asked again', async () => {
    const pipeline = contract('quarantine_row', { budget: { rows: 1 } });
    handler = (_, response) => json(response, [row(1), { id: 2 }, { id: 3 }]);
    expect(await one(pipeline)).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('the budget allows 1'),
    });
    expect(await silver(pipeline)).toEqual([]);
    handler = (_, response) => json(response, [row(1), row(2), row(3)]);
    expect(await one(pipeline)).toMatchObject({ state: 'done', report: { added: 3 } });
  });
});
