import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeArchivedOrders } from '../../sandbox/archived-orders.ts';
import { parseExecute } from '../../test/services/played-engine.ts';
import { columnsOf, difference } from '../../test/services/report-cases.ts';
import { openReportEngineRoom, type ReportEngineRoom } from '../../test/services/report-engines.ts';
import { readReport } from '../../test/services/report-files.ts';
import { expectedRows, type SourceRow } from '../../test/services/report-oracle.ts';
import { reportEngineSuite } from '../../test/services/report-suite.ts';
import type { CurrentOrderRow } from '../archive/archive.ts';
import type { LakeEngine } from '../lake/engines/engine.ts';
import type { ProduceDeps, ReportRequest, ReportViewer } from './contract.ts';
import { produceReport } from './reports.ts';

let room: ReportEngineRoom;
let rows: SourceRow[];
beforeAll(async () => {
  room = await openReportEngineRoom();
  rows = await room.rows();
}, 60_000);
afterAll(() => room.close());
beforeEach(() => {
  room.trino.requests.splice(0);
  room.trino.cancelled.splice(0);
  room.athena.calls.splice(0);
  room.athena.stopped.splice(0);
});

const scratch = 'reports/rpt_01ARZ3NDEKTSV4RRFFQ69G5FAV/1.meanwhile/';
const left = async (): Promise<string[]> =>
  (await Array.fromAsync(room.store.list('reports/'))).map(({ key }) => key);

const engines: readonly [name: string, open: () => LakeEngine][] = [
  ['Trino, played', () => room.openTrino()],
  ['Athena, played: by pages', () => room.openAthena()],
  ['Athena, played: by UNLOAD', () => room.openAthena(0)],
];

for (const [name, open] of engines) {
  reportEngineSuite(name, async () => {
    const engine = open();
    const { deps, folder } = room;
    return { deps: { ...deps, engine }, rows, folder, scratch, close: engine.close };
  });
}

const everyone: ReportViewer = { areas: 'all', clients: 'all', unmasked: true, scopes: [] };
const area: Pick<ReportRequest, 'kind' | 'parameters'> = {
  kind: 'area-orders',
  parameters: { areaId: 'ARE01' },
};

type Making = {
  deps?: Partial<ProduceDeps>;
  viewer?: ReportViewer;
  signal?: AbortSignal;
};

const produce = async (
  engine: LakeEngine,
  request: Pick<ReportRequest, 'kind' | 'parameters'> & Partial<ReportRequest>,
  { deps, viewer = everyone, signal = new AbortController().signal }: Making = {},
) => {
  const folder = await mkdtemp(join(room.folder, 'file-'));
  const made = produceReport(
    { ...room.deps, engine, ...deps },
    { request: { format: 'ndjson', options: {}, ...request }, viewer, asOf: new Date() },
    { folder, scratch, signal },
  );
  const produced = await made.catch(async (error: unknown) => {
    expect(await readdir(folder)).toEqual([]);
    throw error;
  });
  return readReport(produced.path, 'ndjson', columnsOf(request.kind));
};

const started = () =>
  room.athena.calls.flatMap(({ action, input }) =>
    action === 'StartQueryExecution'
      ? [{ sql: String(input.QueryString), parameters: (input.ExecutionParameters ?? []) as string[] }]
      : [],
  );

describe.each(engines)('a report on %s', (name, open) => {
  let engine: LakeEngine;
  beforeAll(() => {
    engine = open();
  });
  afterAll(() => engine.close());
  const isTrino = name.startsWith('Trino');

  /** What was sent, with the values beside it. */
  const statements = (): { sql: string; parameters: string[] }[] =>
    isTrino
      ? room.trino.requests
          .filter(({ method }) => method === 'POST')
          .map(({ body }) => parseExecute(body))
          .map(({ sql, literals }) => ({ sql, parameters: literals }))
      : started();

  it('has the rights and the parameters in the query, as values beside it', async () => {
    const client = "O'Brien'); DROP TABLE x; --";
    await produce(
      engine,
      {
        kind: 'participant-orders',
        parameters: { participantId: client },
        from: '2026-09-05T00:00:00.000Z',
        to: '2026-10-05T00:00:00.000Z',
      },
      { viewer: { ...everyone, areas: ['ARE01', "A'2"] } },
    );
    expect(statements()).toHaveLength(1);
    for (const { sql, parameters } of statements()) {
      expect(sql).toMatch(/FOR VERSION AS OF \d+ WHERE \("area_id" IN \(\?, \?\)\) AND /);
      expect(sql).not.toContain('Brien');
      expect(parameters).toEqual([
        "'ARE01'",
        "'A''2'",
        "'2026-09-05T00:00:00.000Z'",
        "'2026-10-05T00:00:00.000Z'",
        "'O''Brien''); DROP TABLE x; --'",
      ]);
    }
  });

  it('holds only what the viewer may see', async () => {
    const client = rows.find((row) => row.area_id === 'ARE01')?.cliente_requisitante_id ?? '';
    const wanted = (row: SourceRow): boolean =>
      row.cliente_requisitante_id === client || (row.cliente_participante_id?.includes(client) ?? false);
    const request = { kind: 'client-orders', parameters: { clientId: client } };
    const own = await produce(engine, request, {
      viewer: { ...everyone, areas: ['ARE01'], clients: [client, 'x'] },
    });
    const filter = (row: SourceRow): boolean => wanted(row) && row.area_id === 'ARE01';
    expect(difference(own, expectedRows('client-orders', rows, { filter, unmasked: true }))).toEqual({
      missing: [],
      foreign: [],
    });
    expect(await produce(engine, request, { viewer: { ...everyone, areas: [] } })).toEqual([]);
  });

  it('counts an order once that is archived while it is made, and misses none', async () => {
    const [first] = rows.filter((row) => row.area_id === 'ARE01');
    if (!first) throw new Error('expected an order');
    const { arquivado_em: _, ...current } = first;
    const currentOrders = async function* (): AsyncGenerator<CurrentOrderRow> {
      const created = new Date(first.data_criacao).toISOString();
      yield { ...current, data_criacao: created, hash_versao: 'h', status_ordem: 'pendente', versao: '99' };
      // A month more is archived after the operational store was read: the engine is asked for this snapshot.
      await archiveMore();
    };
    const found = await produce(engine, area, { deps: { currentOrders } });
    rows = await room.rows();
    const expected = rows.filter((row) => row.area_id === 'ARE01');
    expect(found).toHaveLength(expected.length);
    expect(found.filter((row) => row.ordem_id === first.ordem_id)).toMatchObject([
      { status_ordem: 'pendente' },
    ]);
  });

  it('waits for an engine that does not know the newest snapshot yet', async () => {
    room.played.forget(1);
    expect((await produce(engine, area)).length).toBeGreaterThan(0);
  });

  it('fails where the engine fails, and is never an empty one', async () => {
    if (isTrino) room.trino.spoil(500);
    else room.athena.spoil({ status: 500, type: 'InternalServerException' }, ...internal);
    await expect(produce(engine, area)).rejects.toThrow(isTrino ? /answered 500/ : /InternalServer/);
    expect(await left()).toEqual([]);
  });

  it('that is cancelled ends the query in the engine', async () => {
    const stop = new AbortController();
    const cancelled = produce(
      {
        ...engine,
        query: (sql, options) => engine.query(sql.replace('count(*) AS n', 'count(*) AS endless'), options),
      },
      area,
      { signal: stop.signal },
    );
    await expect.poll(() => statements().length, { timeout: 20_000 }).toBe(1);
    stop.abort(new Error('cancelled'));
    await expect(cancelled).rejects.toThrow('cancelled');
    const ended = isTrino ? room.trino.cancelled : room.athena.stopped;
    await expect.poll(() => ended.length, { timeout: 20_000 }).toBe(1);
    expect(await left()).toEqual([]);
  });
});

let year = 2027;
/** Orders that were not there yet: another month of another seed. */
const archiveMore = async (): Promise<void> => {
  const options = { count: 30, months: 1, areas: 3, lastMonth: `${year}-01`, seed: year };
  year += 1;
  await makeArchivedOrders({ ...room, files: room.deps.files }, options);
};

/** As often as the SDK repeats. */
const internal = Array.from({ length: 5 }, () => ({ status: 500, type: 'InternalServerException' }));

describe('Athena', () => {
  it('is asked again where it throttles, and nothing is left in the store', async () => {
    const engine = room.openAthena(0);
    const busy = { status: 400, type: 'TooManyRequestsException' };
    room.athena.spoil(busy, busy);
    expect((await produce(engine, area)).length).toBeGreaterThan(0);
    const tokens = room.athena.calls
      .filter(({ action }) => action === 'StartQueryExecution')
      .map(({ input }) => input.ClientRequestToken);
    // Three calls with one token are one query.
    expect([tokens.length, new Set(tokens).size]).toEqual([4, 2]);
    expect(started().at(-1)?.sql).toMatch(/^UNLOAD \(SELECT .* TO 's3:\/\/desk\/lake\/reports\//s);
    expect(await left()).toEqual([]);
    await engine.close();
  });

  it('whose files are not those of its manifest, or not all rows, makes no report', async () => {
    const engine = room.openAthena(0);
    room.spoilUnload('file');
    await expect(produce(engine, area)).rejects.toThrow(/3 files that Athena's manifest names, found 2/);
    room.spoilUnload('row');
    await expect(produce(engine, area)).rejects.toThrow(/expected \d+ archived orders .* found 1/);
    expect(await left()).toEqual([]);
    await engine.close();
  });
});
