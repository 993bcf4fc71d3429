import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FaultInput } from '../faults.ts';
import { type Sandbox, startSandbox } from '../sandbox.ts';
import { easter, nationalHolidays } from './calendar.ts';

let home: string;
let sandbox: Sandbox;
const today = '2026-11-25';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-sandbox-'));
  sandbox = await startSandbox({ port: 0, home, clock: () => new Date(`${today}T12:00:00Z`) });
});
afterEach(() => {
  sandbox.faults.remove();
  sandbox.changes.clear();
  sandbox.calls.reset();
});
afterAll(async () => {
  await sandbox.close();
  await rm(home, { recursive: true });
});

const ask = async (path: string): Promise<{ status: number; text: string }> => {
  const response = await fetch(`${sandbox.url}/apis${path}`);
  return { status: response.status, text: await response.text() };
};
const rows = async (path: string): Promise<Record<string, unknown>[]> =>
  JSON.parse((await ask(path)).text) as Record<string, unknown>[];

const sgs = (series: number, from: string, to: string): string =>
  `/sgs/dados/serie/bcdata.sgs.${series}/dados?formato=json&dataInicial=${from}&dataFinal=${to}`;
const ptax = (from: string, to: string, more = ''): string =>
  `/ptax/olinda/servico/PTAX/versao/v1/odata/CotacaoDolarPeriodo(dataInicial=@dataInicial,dataFinalCotacao=@dataFinalCotacao)` +
  `?@dataInicial='${from}'&@dataFinalCotacao='${to}'&$format=json${more}`;

describe('SGS', () => {
  it('gives Brazilian days and values as text', async () => {
    expect((await ask(sgs(11, '02/01/2020', '05/01/2020'))).text).toBe(
      '[{"data":"02/01/2020","valor":"0.017089"},{"data":"03/01/2020","valor":"0.017089"}]',
    );
    expect(await rows(sgs(433, '01/04/2020', '30/04/2020'))).toEqual([
      { data: '01/04/2020', valor: '-0.31' },
    ]);
  });

  it('answers days without values with 404, and more than ten years of a daily series with 406', async () => {
    expect(await ask(sgs(11, '04/01/2020', '05/01/2020'))).toEqual({
      status: 404,
      text: '{"erro":{"statusCode":404,"detail":"Value(s) not found"}}',
    });
    expect((await ask(sgs(11, '01/01/2010', '01/01/2020'))).status).toBe(200);
    expect((await ask(sgs(11, '01/01/2010', '02/01/2020'))).status).toBe(406);
    expect((await ask('/sgs/dados/serie/bcdata.sgs.11/dados?formato=json')).status).toBe(406);
    expect((await ask(sgs(433, '01/01/1990', '31/12/2025'))).status).toBe(200);
    expect((await ask(sgs(11, '2020-01-01', '02/01/2020'))).status).toBe(400);
  });

  it('ends at the present day, and gives at most twenty of the last values', async () => {
    expect((await rows(sgs(11, '20/11/2026', '31/12/2026'))).at(-1)?.data).toBe('25/11/2026');
    expect((await rows(sgs(433, '01/08/2026', '31/12/2026'))).map(({ data }) => data)).toEqual([
      '01/08/2026',
      '01/09/2026',
      '01/10/2026',
    ]);
    expect(await rows('/sgs/dados/serie/bcdata.sgs.11/dados/ultimos/3')).toHaveLength(3);
    expect((await ask('/sgs/dados/serie/bcdata.sgs.11/dados/ultimos/21')).status).toBe(400);
  });

  it('restates and takes back what it is told to', async () => {
    sandbox.changes.add({ api: 'sgs', key: '11/2020-01-02', value: '0.018000' });
    sandbox.changes.add({ api: 'sgs', key: '11/2020-01-03', value: null });
    expect(await rows(sgs(11, '02/01/2020', '06/01/2020'))).toEqual([
      { data: '02/01/2020', valor: '0.018000' },
      { data: '06/01/2020', valor: '0.017089' },
    ]);
  });
});

describe('PTAX', () => {
  const context =
    'https://was-p.bcnet.bcb.gov.br/olinda/servico/PTAX/versao/v1/odata$metadata#_CotacaoDolarPeriodo';

  it('answers as the service did: two quotes 27 ms apart, none on a weekend, one that came days later', async () => {
    expect((await ask(ptax('04-23-2025', '04-23-2025'))).text).toBe(
      `{"@odata.context":"${context}","value":[{"cotacaoCompra":5.68740,"cotacaoVenda":5.68800,"dataHoraCotacao":"2025-04-23 13:06:30.416"},{"cotacaoCompra":5.68740,"cotacaoVenda":5.68800,"dataHoraCotacao":"2025-04-23 13:06:30.443"}]}`,
    );
    expect(await ask(ptax('09-26-2026', '09-27-2026'))).toEqual({
      status: 200,
      text: `{"@odata.context":"${context}","value":[]}`,
    });
    expect((await ask(ptax('11-28-1984', '11-28-1984'))).text).toContain('"1984-12-03 11:29:00.0"');
  });

  it('takes OData options, and cuts zeros where columns are chosen', async () => {
    const week = ['09-26-2026', '10-03-2026'] as const;
    expect((await ask(ptax(...week, '&$select=cotacaoVenda,dataHoraCotacao&$top=1&$skip=3'))).text).toBe(
      `{"@odata.context":"${context}(cotacaoVenda,dataHoraCotacao)","value":[{"cotacaoVenda":5.2079,"dataHoraCotacao":"2026-10-01 13:10:35.4469"}]}`,
    );
    const filtered = JSON.parse(
      (await ask(ptax(...week, '&$filter=cotacaoVenda gt 5.21&$orderby=cotacaoVenda desc'))).text,
    ) as { value: { cotacaoVenda: number }[] };
    expect(filtered.value.map(({ cotacaoVenda }) => cotacaoVenda)).toEqual([5.2238, 5.2204, 5.2132]);
    expect((await ask(ptax(...week, '&$filter=nada eq 1'))).status).toBe(400);
    expect((await ask(ptax('2026-09-26', '10-03-2026'))).status).toBe(400);
  });

  it('writes fractions of one to six digits', async () => {
    const { value } = JSON.parse((await ask(ptax('01-01-2022', '12-31-2022'))).text) as {
      value: { dataHoraCotacao: string }[];
    };
    const digits = new Set(value.map(({ dataHoraCotacao }) => dataHoraCotacao.split('.')[1]?.length));
    expect([...digits].sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(value.length).toBeGreaterThan(240);
  });
});

describe('IBGE and BrasilAPI', () => {
  it('list municipalities with their states, the newest without a microrregião', async () => {
    const all = await rows('/ibge/api/v1/localidades/municipios');
    expect(all).toHaveLength(5_571);
    expect(all[0]).toMatchObject({
      id: 1100015,
      nome: "Alta Floresta D'Oeste",
      microrregiao: {
        mesorregiao: { UF: { id: 11, sigla: 'RO', nome: 'Rondônia', regiao: { sigla: 'N' } } },
      },
    });
    expect(all.filter(({ microrregiao }) => microrregiao === null).map(({ nome }) => nome)).toEqual([
      'Boa Esperança do Norte',
    ]);
    expect(await rows('/ibge/api/v1/localidades/estados')).toHaveLength(27);
    expect(await rows('/ibge/api/v1/localidades/estados/df/municipios')).toHaveLength(1);
    expect(await rows('/ibge/api/v1/localidades/estados/XX/municipios')).toEqual([]);
    sandbox.changes.add({ api: 'ibge', key: '5300108', value: null });
    expect(await rows('/ibge/api/v1/localidades/estados/DF/municipios')).toEqual([]);
  });

  it('list holidays and banks', async () => {
    const days = await rows('/brasilapi/api/feriados/v1/2024');
    expect(days).toHaveLength(13);
    expect(days[1]).toEqual({ date: '2024-02-13', name: 'Carnaval', type: 'national' });
    expect((await ask('/brasilapi/api/feriados/v1/1899')).status).toBe(404);
    const banks = await rows('/brasilapi/api/banks/v1');
    expect(banks.filter(({ code }) => code === null).map(({ ispb }) => ispb)).toEqual([
      '00038121',
      '00038166',
    ]);
    expect((await ask('/brasilapi/api/banks/v1/999')).status).toBe(404);
  });

  it('computes movable days', () => {
    expect([2000, 2019, 2024, 2025, 2038].map(easter)).toEqual([
      '2000-04-23',
      '2019-04-21',
      '2024-03-31',
      '2025-04-20',
      '2038-04-25',
    ]);
    expect(nationalHolidays(2023).some(({ date }) => date === '2023-11-20')).toBe(false);
  });
});

describe('faults of the APIs', () => {
  const path = sgs(11, '02/01/2020', '02/01/2020');
  const spoiled = async (fault: Omit<FaultInput, 'partner'>, of: string = path) => {
    sandbox.faults.add({ partner: 'sgs', ...fault });
    sandbox.faults.add({ partner: 'ptax', ...fault });
    try {
      return await ask(of);
    } finally {
      sandbox.faults.remove();
    }
  };

  it('change a type, drop a field, add one, and say success with nothing', async () => {
    expect((await spoiled({ kind: 'type_change' })).text).toBe('[{"data":"02/01/2020","valor":0.017089}]');
    expect((await spoiled({ kind: 'dropped_field', field: 'data' })).text).toBe('[{"valor":"0.017089"}]');
    expect((await spoiled({ kind: 'added_field', field: 'fonte' })).text).toBe(
      '[{"data":"02/01/2020","valor":"0.017089","fonte":"novo"}]',
    );
    expect(await spoiled({ kind: 'empty' })).toEqual({ status: 200, text: '[]' });
    const quote = ptax('06-19-2026', '06-19-2026');
    expect((await spoiled({ kind: 'type_change', field: 'cotacaoVenda' }, quote)).text).toContain(
      '"cotacaoCompra":5.14360,"cotacaoVenda":"5.14420"',
    );
    expect((await spoiled({ kind: 'empty' }, quote)).text).toContain('"value":[]');
  });

  it('throttle, fail, answer HTML and cut', async () => {
    expect((await spoiled({ kind: 'throttle' })).status).toBe(429);
    expect((await spoiled({ kind: 'error', status: 500 })).status).toBe(500);
    expect((await spoiled({ kind: 'html' })).text).toContain('<html>');
    await expect(spoiled({ kind: 'cut' })).rejects.toThrow();
  });

  it('are counted, and reach no other API', async () => {
    sandbox.faults.add({ partner: 'sgs', kind: 'error', times: 1 });
    expect((await ask('/brasilapi/api/banks/v1')).status).toBe(200);
    expect((await ask(path)).status).toBe(503);
    expect((await ask(path)).status).toBe(200);
    expect(sandbox.calls.snapshot().partners.sgs).toEqual({ requests: 2, health: 0, spoiled: 1 });
  });

  it('and changes are steered over HTTP', async () => {
    const post = (body: unknown): Promise<Response> =>
      fetch(`${sandbox.url}/sandbox/changes`, { method: 'POST', body: JSON.stringify(body) });
    expect((await post({ api: 'sgs', key: '11/2020-01-02', value: '1.5' })).status).toBe(201);
    expect((await ask(path)).text).toContain('"1.5"');
    expect((await post({ api: 'sgs', key: 'nothing', value: '1.5' })).status).toBe(422);
    expect((await fetch(`${sandbox.url}/sandbox/changes`, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(path)).text).toContain('"0.017089"');
  });
});
