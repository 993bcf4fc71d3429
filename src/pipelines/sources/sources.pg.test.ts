import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { type PipelineRoom, pipelineRoom } from '../../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import type { RowObject } from '../../lake/duckdb-session.ts';
import { loadPipelines } from '../catalogue.ts';
import type { Cadence, Pipeline } from '../declaration.ts';
import type { PipelineRun } from '../run.ts';
import { openTransport } from '../transport.ts';
import bcbPtax from './bcb-ptax.ts';
import bcbSgs from './bcb-sgs.ts';
import brasilapiBancos from './brasilapi-bancos.ts';
import brasilapiFeriados from './brasilapi-feriados.ts';
import feriadosUf from './feriados-uf.ts';
import ibgeLocalidades from './ibge-localidades.ts';

let home: string;
let sandbox: Sandbox;
let now = '2024-01-01T02:00:00Z';
const transport = openTransport();
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-sources-'));
  sandbox = await startSandbox({ port: 0, home, companies: 1, clock: () => new Date(now) });
});
afterEach(() => {
  sandbox.faults.remove();
  sandbox.changes.clear();
});
afterAll(async () => {
  await transport.close();
  await sandbox.close();
  await rm(home, { recursive: true });
});

let database: TestDatabase;
let room: PipelineRoom;
let pipelines: Pipeline[];
const open = async (...of: Pipeline[]): Promise<void> => {
  pipelines = of;
  database = await testDatabase();
  room = await pipelineRoom(database.pool, { pipelines: of });
};
afterEach(async () => {
  await room.close();
  await database.drop();
});

/** Without the limit of requests a second, which is there for the real one. */
const unlimited = (pipeline: Pipeline, windows: Pipeline['windows'] = pipeline.windows): Pipeline => {
  if (pipeline.source.kind !== 'http') return pipeline;
  const { rateLimit: _, ...source } = pipeline.source;
  return { ...pipeline, source, windows };
};
const from = (pipeline: Pipeline, first: string): Pipeline =>
  unlimited(
    pipeline,
    (pipeline.windows as Cadence[]).map((cadence) => ({ ...cadence, from: first })),
  );

const run = async (
  pipeline: Pipeline,
  at: string,
  own: Record<string, string> = {},
): Promise<PipelineRun> => {
  now = at;
  room.setClock(at);
  const apis = { BCB_SGS_URL: 'sgs', BCB_PTAX_URL: 'ptax', IBGE_URL: 'ibge', BRASILAPI_URL: 'brasilapi' };
  const env = {
    ...Object.fromEntries(Object.entries(apis).map(([name, api]) => [name, `${sandbox.url}/apis/${api}`])),
    ...own,
  };
  const sleep = async (): Promise<void> => pause(1);
  return room.run(pipeline, {}, { send: transport.send, env, sleep, pipelines });
};
const reports = ({ windows }: PipelineRun) => windows.map(({ state, report }) => ({ state, ...report }));
const find = (rows: RowObject[], column: string, value: unknown): RowObject | undefined =>
  rows.find((row) => row[column] === value);

it('come along, each with a name of its own', async () => {
  await open(bcbSgs);
  const { listed, broken } = await loadPipelines(undefined);
  expect(broken).toEqual([]);
  expect(listed.map(({ pipeline }) => pipeline.name)).toEqual([
    'bcb_ptax',
    'bcb_sgs',
    'brasilapi_bancos',
    'brasilapi_feriados',
    'feriados_uf',
    'ibge_localidades',
  ]);
});

describe('Banco Central, SGS', () => {
  const sgs = unlimited(bcbSgs);
  beforeEach(() => open(sgs));

  it('loads five years, and accumulates what IBGE and Banco Central accumulated', async () => {
    const done = await run(sgs, '2024-12-31T02:00:00Z');
    expect(reports(done).every(({ state }) => state === 'done')).toBe(true);
    const silver = await room.rows('silver.bcb_sgs', 'serie, data, valor');
    expect(silver.filter(({ serie }) => serie === 11)).toHaveLength(1_254);
    expect(silver.filter(({ serie }) => serie === 433)).toHaveLength(60);
    expect(find(silver, 'data', '2020-01-02')).toEqual({ serie: 11, data: '2020-01-02', valor: '0.017089' });
    const ipca = await room.rows('gold.ipca_acumulado');
    // As published, but for 2022 (5,79 %): IBGE compounds its index, of which the months are rounded to two digits.
    const published = ['2020-12-01', '2021-12-01', '2022-12-01', '2023-12-01'].map((mes) =>
      Number(find(ipca, 'mes', mes)?.['acumulado_no_ano']).toFixed(2),
    );
    expect(published).toEqual(['4.52', '10.06', '5.78', '4.62']);
    expect(find(ipca, 'mes', '2020-11-01')?.['acumulado_12_meses']).toBeNull();
    expect(find(ipca, 'mes', '2021-12-01')?.['acumulado_12_meses']).toBe(
      find(ipca, 'mes', '2021-12-01')?.['acumulado_no_ano'],
    );
    const months = await room.rows('gold.selic_mensal', 'mes, dias_uteis, taxa_mes');
    const january = silver.filter(({ serie, data }) => serie === 11 && String(data).startsWith('2020-01'));
    const factor = january.reduce((product, { valor }) => product * (1 + Number(valor) / 100), 1);
    expect(find(months, 'mes', '2020-01-01')).toEqual({
      mes: '2020-01-01',
      dias_uteis: '22',
      taxa_mes: ((factor - 1) * 100).toFixed(6),
    });
    const selic = await room.rows('gold.selic_acumulada');
    expect(Number(find(selic, 'mes', '2023-12-01')?.['acumulada_no_ano'])).toBeCloseTo(13.04, 1);
  }, 60_000);

  it('takes no value for an answer, and a restated one with its history', async () => {
    // New Year: series 11 answers 404, series 433 has its month.
    const first = await run(sgs, '2020-01-02T02:00:00Z');
    expect(reports(first)).toMatchObject([{ state: 'done', calls: 2, records: 1, added: 1 }]);
    await run(sgs, '2020-01-04T02:00:00Z');
    sandbox.changes.add({ api: 'sgs', key: '11/2020-01-02', value: '0.017100' });
    const restated = await run(sgs, '2020-01-07T02:00:00Z');
    expect(reports(restated)).toMatchObject([{ state: 'done', added: 2, restated: 1 }]);
    const [old] = await room.rows(
      'silver.bcb_sgs_historico',
      'serie, data, valor, motivo, valido_desde, valido_ate',
    );
    expect(old).toMatchObject({ serie: 11, data: '2020-01-02', valor: '0.017089', motivo: 'atualizada' });
    expect(String(old?.['valido_desde'])).toMatch(/^2020-01-04 02:00/);
    expect(String(old?.['valido_ate'])).toMatch(/^2020-01-07 02:00/);
    const [row] = await room.rows('silver.bcb_sgs', 'data, valor');
    expect(row).toEqual({ data: '2020-01-01', valor: '0.210000' });
    expect(await room.rows('gold.selic_mensal', 'dias_uteis, taxa_mes')).toEqual([
      { dias_uteis: '3', taxa_mes: '0.051287' },
    ]);
  });

  it('does not believe success with nothing, nor a value of another type', async () => {
    await run(sgs, '2020-02-20T02:00:00Z');
    const before = await room.rows('silver.bcb_sgs');
    sandbox.faults.add({ partner: 'sgs', kind: 'empty' });
    const empty = await run(sgs, '2020-02-21T02:00:00Z');
    expect(empty.windows).toMatchObject([
      { state: 'failed', error: expect.stringContaining('expected at least') as string },
    ]);
    sandbox.faults.remove();
    sandbox.faults.add({ partner: 'sgs', kind: 'type_change' });
    const typed = await run(sgs, '2020-02-21T02:00:00Z');
    expect(typed.windows).toMatchObject([
      { state: 'failed', error: expect.stringContaining('quarantine') as string },
    ]);
    expect(await room.rows('silver.bcb_sgs')).toEqual(before);
    sandbox.faults.remove();
    expect(reports(await run(sgs, '2020-02-21T02:00:00Z'))).toMatchObject([{ state: 'done', added: 1 }]);
  });
});

describe('Banco Central, PTAX', () => {
  it('takes the day from the request, the later of two quotes, and nothing for a weekend', async () => {
    const ptax = from(bcbPtax, '2025-04-22');
    await open(ptax);
    const done = await run(ptax, '2025-04-28T02:00:00Z');
    expect(reports(done)).toMatchObject([{ state: 'done', calls: 6, records: 5, added: 4, duplicates: 1 }]);
    const rows = await room.rows(
      'silver.bcb_ptax',
      'data, publicada_em::VARCHAR AS publicada_em, compra, venda',
    );
    expect(rows.map(({ data }) => data)).toEqual(['2025-04-22', '2025-04-23', '2025-04-24', '2025-04-25']);
    expect(rows[1]).toEqual({
      data: '2025-04-23',
      publicada_em: '2025-04-23 16:06:30.443+00',
      compra: '5.68740',
      venda: '5.68800',
    });
  });

  it('keeps the day of a quote that was published five days later, in the time of its zone', async () => {
    const ptax = from(bcbPtax, '1984-11-28');
    await open(ptax);
    await run(ptax, '1984-11-30T02:00:00Z');
    expect(await room.rows('silver.bcb_ptax', 'data, publicada_em::VARCHAR AS publicada_em, venda')).toEqual([
      { data: '1984-11-28', publicada_em: '1984-12-03 14:29:00+00', venda: '2828.00000' },
      { data: '1984-11-29', publicada_em: '1984-12-03 19:38:00+00', venda: '2828.00000' },
    ]);
  });

  it('finds a quote that comes days late, and sums up the month', async () => {
    const ptax = from(bcbPtax, '2026-06-15');
    await open(ptax);
    sandbox.changes.add({ api: 'ptax', key: '2026-06-19', value: null });
    await run(ptax, '2026-06-21T02:00:00Z');
    expect(await room.rows('silver.bcb_ptax', 'data')).toHaveLength(4);
    sandbox.changes.clear();
    const late = await run(ptax, '2026-06-24T02:00:00Z');
    expect(reports(late)).toMatchObject([{ state: 'done', added: 3, restated: 0 }]);
    const rows = await room.rows('silver.bcb_ptax', 'data, publicada_em::VARCHAR AS publicada_em, venda');
    expect(find(rows, 'data', '2026-06-19')).toEqual({
      data: '2026-06-19',
      publicada_em: '2026-06-19 16:03:25.555497+00',
      venda: '5.14420',
    });
    const [month] = await room.rows('gold.ptax_mensal');
    const sales = rows.map(({ venda }) => Number(venda));
    expect(month).toMatchObject({
      mes: '2026-06-01',
      dias: '7',
      venda_media: (sales.reduce((sum, sale) => sum + sale, 0) / 7).toFixed(5),
      venda_menor: Math.min(...sales).toFixed(5),
      venda_primeira: rows[0]?.['venda'],
      venda_ultima: rows.at(-1)?.['venda'],
    });
  });
});

describe('IBGE and BrasilAPI', () => {
  const [ibge, holidays] = [unlimited(ibgeLocalidades), unlimited(brasilapiFeriados)];

  it('derive what was added, renamed and removed from whole lists', async () => {
    await open(ibge);
    sandbox.changes.add({ api: 'ibge', key: '5101837', value: null });
    expect(reports(await run(ibge, '2024-06-01T02:00:00Z'))).toMatchObject([{ state: 'done', added: 5_570 }]);
    sandbox.changes.clear();
    sandbox.changes.add({ api: 'ibge', key: '3550308', value: 'São Paulo de Piratininga' });
    sandbox.changes.add({ api: 'ibge', key: '3500105', value: null });
    const next = await run(ibge, '2024-06-02T02:00:00Z');
    expect(reports(next)).toMatchObject([{ state: 'done', added: 2, restated: 1, removed: 1 }]);
    expect(await room.rows('silver.ibge_localidades_historico', 'municipio_id, nome, motivo')).toEqual([
      { municipio_id: 3500105, nome: 'Adamantina', motivo: 'removida' },
      { municipio_id: 3550308, nome: 'São Paulo', motivo: 'atualizada' },
    ]);
    const rows = await room.rows('silver.ibge_localidades', 'municipio_id, nome, uf, regiao, microrregiao');
    expect(find(rows, 'municipio_id', 5101837)).toEqual({
      municipio_id: 5101837,
      nome: 'Boa Esperança do Norte',
      uf: 'MT',
      regiao: 'CO',
      microrregiao: null,
    });
    expect(find(await room.rows('gold.municipios_por_uf'), 'uf', 'SP')).toMatchObject({ municipios: '644' });
    sandbox.faults.add({ partner: 'ibge', kind: 'empty' });
    const empty = await run(ibge, '2024-06-03T02:00:00Z');
    expect(empty.windows).toMatchObject([{ state: 'failed' }]);
    expect(await room.rows('silver.ibge_localidades', 'municipio_id')).toHaveLength(5_570);
  }, 60_000);

  it('give the business days of every state', async () => {
    await open(holidays, ibge, feriadosUf);
    expect((await run(holidays, '2024-06-01T02:00:00Z')).gold).toMatchObject([{ state: 'waiting' }]);
    await run(ibge, '2024-06-01T03:00:00Z');
    // No file: no state has holidays of its own.
    const { gold } = await run(feriadosUf, '2024-06-01T03:00:00Z');
    expect(gold).toContainEqual({ gold: 'dias_uteis_uf', state: 'done', rows: 27 * 192 });
    const days = await room.rows('gold.dias_uteis_uf');
    const of = (uf: string, mes: string): string | undefined =>
      String(days.find((row) => row['uf'] === uf && row['mes'] === mes)?.['dias_uteis']);
    expect(['2024-01-01', '2024-02-01', '2024-11-01', '2023-11-01'].map((mes) => of('SP', mes))).toEqual([
      '22',
      '20',
      '19',
      '20',
    ]);
    expect(find(days, 'uf', 'DF')).toMatchObject({ municipios: '1', feriados_estaduais: '0' });
    const silver = await room.rows('silver.brasilapi_feriados', 'data, nome');
    expect(silver.filter(({ data }) => data === '2030-04-21').map(({ nome }) => nome)).toEqual([
      'Páscoa',
      'Tiradentes',
    ]);
  }, 60_000);

  it('take holidays of states from a file of the user, and stop where it is wrong', async () => {
    await open(holidays, ibge, feriadosUf);
    const file = join(room.folder, 'feriados-uf.csv');
    const own = { LASTRO_STATE_HOLIDAYS: file };
    await run(holidays, '2024-06-01T02:00:00Z');
    await run(ibge, '2024-06-01T03:00:00Z');
    // A Tuesday; a Sunday of that year; a day that was no holiday before 2024 and after 2025; a national one.
    const lines = [
      'SP,07-09,Revolução Constitucionalista,1997,',
      'RS,2026-09-20,Revolução Farroupilha,,',
      '"CE",03-25,"Data Magna, do Ceará",2024,2025',
      'RJ,11-15,República,,',
    ];
    await writeFile(file, `\uFEFFuf,dia,nome,desde,ate\r\n${lines.join('\r\n')}\r\n`);
    expect((await run(feriadosUf, '2024-06-01T03:00:00Z', own)).windows).toMatchObject([
      { state: 'done', report: { added: 4 } },
    ]);
    const days = await room.rows('gold.dias_uteis_uf');
    const of = (uf: string, mes: string) => {
      const row = days.find((each) => each['uf'] === uf && each['mes'] === mes);
      return [Number(row?.['dias_uteis']), Number(row?.['feriados_estaduais'])];
    };
    expect([of('SP', '2024-07-01'), of('RJ', '2024-07-01')]).toEqual([
      [22, 1],
      [23, 0],
    ]);
    expect(of('RS', '2026-09-01')).toEqual([21, 0]);
    expect(['2023', '2024', '2025', '2026'].map((year) => of('CE', `${year}-03-01`)[1])).toEqual([
      0, 1, 1, 0,
    ]);
    expect(of('RJ', '2024-11-01')).toEqual([19, 0]);

    for (const [text, told] of [
      ['uf,dia,nome,desde,ate\nSP,7/9,x,,\n', '1 of 1 rows go to quarantine'],
      ['uf,dia,uf,desde,ate\n', 'column uf is there twice'],
      ['uf,dia,nome\nSP,07-09\n', 'LASTRO_STATE_HOLIDAYS'],
    ] as const) {
      await writeFile(file, text);
      expect((await run(feriadosUf, '2024-06-02T03:00:00Z', own)).windows).toMatchObject([
        { state: 'failed', error: expect.stringContaining(told) as string },
      ]);
    }
    await rm(file);
    const gone = await run(feriadosUf, '2024-06-02T03:00:00Z', own);
    expect(gone.windows).toMatchObject([
      { state: 'failed', error: expect.stringContaining('no such file') as string },
    ]);
    expect(await room.rows('silver.feriados_uf', 'uf')).toHaveLength(4);
  }, 60_000);

  it('keep zeros in front, and banks without a code', async () => {
    const banks = unlimited(brasilapiBancos);
    await open(banks);
    await run(banks, '2024-06-01T02:00:00Z');
    const rows = await room.rows('silver.brasilapi_bancos', 'ispb, codigo, nome');
    expect(rows[0]).toEqual({ ispb: '00000000', codigo: 1, nome: 'BCO DO BRASIL S.A.' });
    expect(rows.filter(({ codigo }) => codigo === null)).toHaveLength(2);
    sandbox.changes.add({
      api: 'brasilapi',
      key: '60701190',
      value: { ispb: '60701190', name: 'ITAÚ', code: 341 },
    });
    const next = await run(banks, '2024-06-02T02:00:00Z');
    expect(reports(next)).toMatchObject([{ state: 'done', restated: 1 }]);
  });
});
