import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DuckSession, openDuckDb } from '../../lake/duckdb-session.ts';
import { definePipeline } from '../define.ts';
import { lineageReceiver } from './lineage-receiver.ts';
import { lineageText } from './lineage-text.ts';
import { runEvent, runUuid } from './openlineage.ts';
import { type Dataset, lineageOf, pipelineLineage } from './pipeline-lineage.ts';
import { runEvents } from './run-events.ts';

const series = definePipeline({
  name: 'series',
  about: 'a series of a test',
  source: {
    kind: 'http',
    base: { env: 'SERIES_URL', default: 'https://api.example' },
    path: '/dados/{slice.serie}?de={from:date}',
  },
  windows: [{ every: 'day', from: '2024-01-01' }],
  slices: [{ serie: '11' }],
  silver: {
    columns: {
      serie: { type: 'int', from: { slice: 'serie' } },
      data: { type: 'date', format: 'dd/MM/yyyy' },
      valor: { type: 'decimal(18,6)', doc: 'Per cent' },
      fonte: { type: 'string', from: 'origem.nome' },
    },
    key: ['serie', 'data'],
    sql: 'SELECT _registro, serie, data, valor / 100 AS taxa, fonte FROM registros WHERE valor IS NOT NULL',
  },
  gold: [
    {
      name: 'anual',
      sql: 'SELECT year(mes) AS ano, sum(soma) AS soma FROM gold.mensal GROUP BY 1',
      key: ['ano'],
    },
    {
      name: 'mensal',
      sql: "SELECT CAST(date_trunc('month', data) AS DATE) AS mes, sum(taxa) AS soma, max(captura_id) AS prova FROM silver.series GROUP BY 1",
      key: ['mes'],
    },
  ],
});
const other = definePipeline({
  ...series,
  name: 'outra',
  gold: [
    {
      name: 'junta',
      sql: 'SELECT o.fonte, m.soma FROM silver.outra o CROSS JOIN gold.mensal m',
      key: ['fonte'],
    },
  ],
});

let session: DuckSession;
let datasets: Dataset[];
beforeAll(async () => {
  session = await openDuckDb();
  datasets = await pipelineLineage(session.connection, [series, other]);
});
afterAll(() => session.close());

const origins = (table: string, field: string): string[] =>
  (datasets.find(({ name }) => name === table)?.fields.find(({ name }) => name === field)?.origins ?? []).map(
    ({ table: of, column, derivation }) => `${of}.${column} ${derivation}`,
  );

describe('the lineage of pipelines', () => {
  it('goes from the field of the API to the column of gold', () => {
    expect(origins('bronze.series', 'corpo.valor')).toEqual(['source.series.valor IDENTITY']);
    expect(origins('silver.series', 'taxa')).toEqual(['bronze.series.corpo.valor TRANSFORMATION']);
    expect(origins('silver.series', 'fonte')).toEqual(['bronze.series.corpo.origem.nome IDENTITY']);
    expect(origins('silver.series', 'serie')).toEqual(['bronze.series.fatia.serie TRANSFORMATION']);
    expect(origins('gold.mensal', 'soma')).toEqual(['silver.series.taxa AGGREGATION']);
    expect(origins('gold.mensal', 'prova')).toEqual(['silver.series.captura_id AGGREGATION']);
    expect(origins('gold.anual', 'soma')).toEqual(['gold.mensal.soma AGGREGATION']);
    expect(datasets.flatMap(({ unresolved }) => unresolved)).toEqual([]);
    expect(datasets.find(({ name }) => name === 'silver.series')?.influences).toEqual([
      { table: 'bronze.series', column: 'corpo.valor', influence: 'FILTER' },
    ]);
  });

  it('of a pipeline has what follows it, of a table what it is made of', () => {
    const names = (of: string): string[] => lineageOf(datasets, of).map(({ name }) => name);
    expect(names('series')).toEqual([
      'source.series',
      'bronze.series',
      'silver.series',
      'source.outra',
      'bronze.outra',
      'silver.outra',
      'gold.mensal',
      'gold.junta',
      'gold.anual',
    ]);
    expect(names('gold.anual')).toEqual([
      'source.series',
      'bronze.series',
      'silver.series',
      'gold.mensal',
      'gold.anual',
    ]);
    expect(names('nada')).toEqual([]);
  });

  it('reads as a tree', () => {
    expect(lineageText(lineageOf(datasets, 'gold.anual')).split('\n\n').slice(2)).toEqual([
      `silver.series  ← bronze.series
├─ serie ← bronze.series.fatia.serie (computed)
├─ data  ← bronze.series.corpo.data (computed)
├─ taxa  ← bronze.series.corpo.valor (computed)
├─ fonte ← bronze.series.corpo.origem.nome
└─ filter: bronze.series.corpo.valor`,
      `gold.mensal  ← silver.series
├─ mes   ← silver.series.data (computed)
├─ soma  ← silver.series.taxa (aggregated)
├─ prova ← silver.series.captura_id (aggregated)
└─ group by: silver.series.data`,
      `gold.anual  ← gold.mensal
├─ ano  ← gold.mensal.mes (computed)
├─ soma ← gold.mensal.soma (aggregated)
└─ group by: gold.mensal.mes`,
    ]);
  });
});

/** Written after the specification: version 2-0-2 of the events and the versions of the facets that are named there. */
const facet = (properties: Record<string, unknown>, required: string[]) => ({
  type: 'object',
  required: ['_producer', '_schemaURL', ...required],
  properties: {
    _producer: { type: 'string', minLength: 1 },
    _schemaURL: {
      type: 'string',
      pattern: '^https://openlineage\\.io/spec/facets/\\d+-\\d+-\\d+/\\w+\\.json#/\\$defs/\\w+$',
    },
    ...properties,
  },
});
const inputField = {
  type: 'object',
  required: ['namespace', 'name', 'field'],
  properties: {
    namespace: { type: 'string' },
    name: { type: 'string' },
    field: { type: 'string' },
    transformations: {
      type: 'array',
      items: {
        type: 'object',
        required: ['type'],
        properties: {
          type: { type: 'string' },
          subtype: { type: 'string' },
          description: { type: 'string' },
          masking: { type: 'boolean' },
        },
      },
    },
  },
};
const dataset = {
  type: 'object',
  required: ['namespace', 'name'],
  properties: {
    namespace: { type: 'string', minLength: 1 },
    name: { type: 'string', minLength: 1 },
    facets: {
      type: 'object',
      additionalProperties: facet({}, []),
      properties: {
        schema: facet(
          {
            fields: {
              type: 'array',
              items: {
                type: 'object',
                required: ['name'],
                properties: { name: { type: 'string' }, type: { type: 'string' } },
              },
            },
          },
          [],
        ),
        dataSource: facet(
          { name: { type: 'string' }, uri: { type: 'string', pattern: '^[a-z][a-z0-9+.-]*:' } },
          [],
        ),
        columnLineage: facet(
          {
            fields: {
              type: 'object',
              additionalProperties: {
                type: 'object',
                required: ['inputFields'],
                properties: { inputFields: { type: 'array', items: inputField } },
              },
            },
            dataset: { type: 'array', items: inputField },
          },
          ['fields'],
        ),
      },
    },
    outputFacets: { type: 'object', additionalProperties: facet({}, []) },
  },
};
const runEventSchema = {
  type: 'object',
  required: ['eventTime', 'producer', 'schemaURL', 'run', 'job'],
  additionalProperties: false,
  properties: {
    eventType: { enum: ['START', 'RUNNING', 'COMPLETE', 'ABORT', 'FAIL', 'OTHER'] },
    eventTime: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z$' },
    producer: { type: 'string', pattern: '^[a-z][a-z0-9+.-]*:' },
    schemaURL: { const: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent' },
    run: {
      type: 'object',
      required: ['runId'],
      properties: {
        runId: {
          type: 'string',
          pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
        },
        facets: { type: 'object', additionalProperties: facet({}, []) },
      },
    },
    job: {
      type: 'object',
      required: ['namespace', 'name'],
      properties: {
        namespace: { type: 'string' },
        name: { type: 'string' },
        facets: {
          type: 'object',
          additionalProperties: facet({}, []),
          properties: { sql: facet({ query: { type: 'string' } }, ['query']) },
        },
      },
    },
    inputs: { type: 'array', items: dataset },
    outputs: { type: 'array', items: dataset },
  },
};

const places = {
  lake: 'file:///var/lastro/lake',
  addressOf: (pipeline: string) =>
    pipeline === 'series' ? 'http://127.0.0.1:8081/apis/sgs/dados/{slice.serie}?de={from}' : undefined,
};
const event = (name: string, more: Partial<Parameters<typeof runEvent>[0]> = {}) => {
  const output = datasets.find((each) => each.name === name);
  if (!output) throw new Error(`no dataset ${name}`);
  const step = {
    eventType: 'COMPLETE',
    at: new Date('2024-01-02T02:00:00Z'),
    attemptId: 'att_1',
    output,
    rows: 3,
  } as const;
  return runEvent({ ...step, ...more }, datasets, places);
};

describe('events of OpenLineage', () => {
  it('are as the specification has them, for every step', () => {
    const validate = new Ajv2020({ strict: false, allErrors: true }).compile(runEventSchema);
    for (const { name, layer } of datasets) {
      if (layer === 'source') continue;
      for (const one of [
        event(name),
        event(name, { eventType: 'START' }),
        event(name, { eventType: 'FAIL', error: 'it broke' }),
      ]) {
        expect(validate(JSON.parse(JSON.stringify(one))), JSON.stringify(validate.errors)).toBe(true);
      }
    }
  });

  it('name the lake, the host of the source, and each column with its transformation', () => {
    const { inputs, outputs, job, run } = event('gold.mensal');
    expect(job).toMatchObject({ namespace: 'lastro', name: 'series.gold.mensal' });
    expect(run.runId).toBe(runUuid('att_1 gold.mensal'));
    expect(inputs.map(({ namespace, name }) => [namespace, name])).toEqual([[places.lake, 'silver.series']]);
    expect(outputs[0]?.facets.columnLineage).toMatchObject({
      fields: {
        soma: {
          inputFields: [
            {
              namespace: places.lake,
              name: 'silver.series',
              field: 'taxa',
              transformations: [{ type: 'DIRECT', subtype: 'AGGREGATION' }],
            },
          ],
        },
      },
      dataset: [{ field: 'data', transformations: [{ type: 'INDIRECT', subtype: 'GROUP_BY' }] }],
    });
    expect(event('bronze.series').inputs[0]).toMatchObject({
      namespace: 'http://127.0.0.1:8081',
      name: '/apis/sgs/dados/{slice.serie}',
    });
  });
});

describe('the events of a run', () => {
  const at = new Date('2024-01-02T02:00:10Z');
  const window = { attemptId: 'att_1', cadence: 'daily', from: null, to: null } as const;
  const told = (run: Partial<Parameters<typeof runEvents>[0]>): string[] =>
    runEvents({ pipeline: 'series', windows: [], gold: [], ...run }, datasets, places, at).map(
      ({ eventType, eventTime, job }) => `${eventType} ${job.name} ${eventTime.slice(17, 19)}`,
    );

  it('are a start and an end of every step that did something', () => {
    const done = { ...window, state: 'done' as const, report: { added: 3, seconds: 4 } };
    const gold = [
      { gold: 'mensal', state: 'done' as const, rows: 1 },
      { gold: 'anual', state: 'current' as const, rows: 0 },
    ];
    expect(told({ windows: [done], gold })).toEqual([
      'START series.bronze.series 06',
      'COMPLETE series.bronze.series 10',
      'START series.silver.series 06',
      'COMPLETE series.silver.series 10',
      'START series.gold.mensal 10',
      'COMPLETE series.gold.mensal 10',
    ]);
    expect(told({})).toEqual([]);
  });

  it('say what failed, and that a rebuild asks no API', () => {
    const failed = { ...window, state: 'failed' as const, report: {}, error: 'status 500' };
    expect(told({ windows: [failed] }).filter((text) => text.startsWith('FAIL'))).toHaveLength(2);
    const rebuilt = { ...window, cadence: 'silver' as const, state: 'done' as const, report: {} };
    expect(told({ windows: [rebuilt] })).toEqual([
      'START series.silver.series 10',
      'COMPLETE series.silver.series 10',
    ]);
  });
});

describe('a receiver of events', () => {
  let server: Server;
  let folder: string;
  const got: { path: string | undefined; key: string | undefined; body: string }[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lastro-lineage-'));
    server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
      got.push({
        path: request.url,
        key: request.headers.authorization,
        body: Buffer.concat(parts).toString(),
      });
      response.writeHead(request.url?.includes('broken') ? 503 : 201).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await rm(folder, { recursive: true });
  });
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  it('is a server', async () => {
    const events = [event('silver.series'), event('gold.mensal')];
    expect(await lineageReceiver({ url: url(), apiKey: 'chave' })(events)).toEqual([]);
    expect(got.map(({ path, key }) => [path, key])).toEqual([
      ['/api/v1/lineage', 'Bearer chave'],
      ['/api/v1/lineage', 'Bearer chave'],
    ]);
    expect(JSON.parse(got[1]?.body ?? '')).toEqual(JSON.parse(JSON.stringify(events[1])));
  });

  it('or a file that is appended to', async () => {
    const file = join(folder, 'events.ndjson');
    const send = lineageReceiver({ url: pathToFileURL(file).href });
    await send([event('silver.series')]);
    expect(await send([event('gold.mensal'), event('gold.anual')])).toEqual([]);
    expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(3);
    const nowhere = lineageReceiver({ url: pathToFileURL(join(folder, 'none', 'x')).href });
    expect(await nowhere([event('gold.anual')])).toEqual([expect.stringContaining('ENOENT')]);
  });

  it('that is dead, slow or refuses fails nothing, and is said', async () => {
    const events = [event('silver.series'), event('gold.mensal')];
    const dead = await lineageReceiver({ url: 'http://127.0.0.1:9' })(events);
    expect(dead).toHaveLength(2);
    expect(dead[0]).toContain('the lineage event COMPLETE of series.silver.series was not taken');
    const before = got.length;
    expect(await lineageReceiver({ url: `${url()}/broken` })(events)).toEqual([
      expect.stringContaining('found 503'),
      expect.stringContaining('found 503'),
    ]);
    expect(got.length).toBe(before + 1);
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const slow = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    expect(await lineageReceiver({ url: slow, timeoutMs: 50 })(events)).toHaveLength(2);
    silent.close();
    silent.closeAllConnections();
  });
});
