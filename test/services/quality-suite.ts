import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Check } from '../../src/pipelines/declaration.ts';
import { type QualityReport, type Query, runChecks } from '../../src/pipelines/quality/run-checks.ts';
import type { TestLake } from './lake.ts';

/** Quotes with one row wrong in each way, and the currencies that they refer to. */
export const fillQualityTables = async (lake: TestLake): Promise<void> => {
  await lake.create('silver.cotacoes', {
    columns: [
      { name: 'moeda', type: 'string' },
      { name: 'data', type: 'date' },
      { name: 'valor', type: 'decimal(18, 6)' },
      { name: 'publicada', type: 'timestamptz' },
      { name: 'lote', type: 'long' },
      { name: 'captura_id', type: 'string' },
    ],
  });
  await lake.add(
    'silver.cotacoes',
    `(SELECT moeda, data::DATE AS data, valor::DECIMAL(18, 6) AS valor, publicada::TIMESTAMPTZ AS publicada, lote::BIGINT AS lote, captura_id
      FROM (VALUES ('USD', '2024-01-02', 4.89, '2024-01-02 13:00:00.5+00', 1, 'a'),
                   ('USD', '2024-01-03', 4.9000001, '2024-01-03 13:00:00+00', 9007199254740993, 'b'),
                   ('USD', '2024-01-03', 4.91, '2024-01-03 13:00:00+00', 2, 'c'),
                   ('EUR', '2024-01-03', -5.35, '2024-01-03 13:00:00+00', 2, 'd'),
                   ('O''X', '2024-01-04', 0.000001, NULL, 2, 'e'),
                   (NULL, '2024-01-04', NULL, '2024-01-04 13:00:00+00', 2, 'f')) v (moeda, data, valor, publicada, lote, captura_id))`,
  );
  await lake.create('silver.moedas', { columns: [{ name: 'sigla', type: 'string' }] });
  await lake.add('silver.moedas', "(SELECT * FROM (VALUES ('USD'), ('EUR')) v (sigla))");
};

const checks: Check[] = [
  { kind: 'not_null', column: 'moeda' },
  { kind: 'not_null', column: 'data' },
  { kind: 'unique', columns: ['moeda', 'data'] },
  { kind: 'accepted_values', column: 'moeda', values: ['USD', 'EUR', "O'X"] },
  { kind: 'accepted_values', column: 'lote', values: ['1', '2'], name: 'lotes' },
  { kind: 'range', column: 'valor', min: '0.0000005' },
  { kind: 'range', column: 'data', min: '2024-01-03', name: 'desde' },
  { kind: 'range', column: 'publicada', max: '2024-01-03T10:00:00-03:00', name: 'ate' },
  { kind: 'reference', column: 'moeda', table: 'silver.moedas', to: 'sigla' },
  { kind: 'row_count', min: 6, max: 6 },
  { kind: 'row_count', min: 7, name: 'linhas', onFail: 'stop' },
  { kind: 'freshness', column: 'publicada', hours: 24, name: 'fresca' },
  { kind: 'freshness', column: 'publicada', hours: 12, name: 'velha' },
  { kind: 'freshness', column: 'data', hours: 13, name: 'fresca por dia' },
  { kind: 'sql', name: 'negativas', sql: 'SELECT * FROM silver.cotacoes WHERE valor < 0;' },
  { kind: 'sql', name: 'errada', sql: 'SELECT nada FROM silver.cotacoes' },
  { kind: 'not_null', column: 'inexistente' },
  { kind: 'range', column: 'valor', min: 'muito', name: 'sem número' },
  { kind: 'row_count', min: 1, name: 'linhas', onFail: 'stop' },
];

/** What every engine must find. */
export const qualitySuite = (
  name: string,
  open: () => Promise<{ query: Query; close: () => Promise<void> }>,
): void => {
  describe(`checks on ${name}`, () => {
    let folder: string;
    let report: QualityReport;
    let lines: { check: string; pointer: string; row: string; reason: string }[];
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'lastro-quality-'));
      const engine = await open();
      report = await runChecks(
        { query: engine.query, clock: () => new Date('2024-01-05T13:00:00Z') },
        {
          table: 'silver.cotacoes',
          pointer: ['moeda', 'data', 'captura_id', 'posicao'],
          checks,
          file: join(folder, 'failing.ndjson'),
        },
      );
      await engine.close();
      lines = (await readFile(report.failing.file, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as (typeof lines)[number]);
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it('tells which rows fail, all of them', () => {
      const wrong = (check: string): unknown[] =>
        lines
          .filter((line) => line.check === check)
          .map((line) => (JSON.parse(line.pointer) as { captura_id: string }).captura_id)
          .sort();
      expect(report.results.map((result) => [result.name, result.outcome, result.failingRows])).toEqual([
        ['not_null moeda', 'fail', 1],
        ['not_null data', 'pass', 0],
        ['unique moeda, data', 'fail', 2],
        ['accepted_values moeda', 'pass', 0],
        ['lotes', 'fail', 1],
        ['range valor', 'fail', 1],
        ['desde', 'fail', 1],
        ['ate', 'fail', 1],
        ['reference moeda', 'fail', 1],
        ['row_count', 'pass', 0],
        ['linhas', 'fail', 0],
        ['fresca', 'pass', 0],
        ['velha', 'fail', 0],
        ['fresca por dia', 'pass', 0],
        ['negativas', 'fail', 1],
        ['errada', 'error', 0],
        ['not_null inexistente', 'error', 0],
        ['sem número', 'error', 0],
        ['linhas', 'error', 0],
      ]);
      expect(wrong('unique moeda, data')).toEqual(['b', 'c']);
      expect(wrong('range valor')).toEqual(['d']);
      expect(wrong('reference moeda')).toEqual(['e']);
      expect(lines).toHaveLength(report.failing.lines);
      expect(new Set(report.results.map(({ checkedRows }) => checkedRows))).toEqual(new Set([6]));
    });

    it('keeps the whole row with every digit, its pointer and the reason', () => {
      const line = lines.find(({ check }) => check === 'lotes');
      expect(JSON.parse(line?.pointer ?? '')).toEqual({ moeda: 'USD', data: '2024-01-03', captura_id: 'b' });
      expect(JSON.parse(line?.row ?? '')).toMatchObject({
        valor: '4.900000',
        lote: '9007199254740993',
        data: '2024-01-03',
      });
      expect(line?.reason).toBe('expected one of 1, 2');
    });

    it('says what was found where a figure is wrong, and why a check could not be held', () => {
      const found = (check: string): string | null | undefined =>
        report.results.find((result) => result.name === check)?.found;
      expect(found('linhas')).toBe('6');
      expect(found('velha')).toMatch(/^2024-01-04T13:00:00/);
      expect(found('errada')).toMatch(/nada/i);
      expect(found('not_null inexistente')).toContain('its columns are moeda, data, valor');
      expect(report.results.at(-1)?.found).toContain('same name');
    });
  });
};
