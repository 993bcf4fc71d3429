import { definePipeline } from '../define.ts';

const years = Array.from({ length: 16 }, (_, n) => String(2020 + n));

/**
 * BrasilAPI: national holidays, a list for each year. A law may move or add one, also of a year that has begun: the
 * lists are read whole each day. A day can be two holidays at once (in 2030 Easter is on Tiradentes).
 *
 * The Monday of Carnival is not in it, and no state's own holidays: `dias_uteis_uf` takes those from `feriados_uf`.
 */
export default definePipeline({
  name: 'brasilapi_feriados',
  about: 'BrasilAPI: national holidays',
  source: {
    kind: 'http',
    base: { env: 'BRASILAPI_URL', default: 'https://brasilapi.com.br' },
    path: '/api/feriados/v1/{slice.ano}',
    rateLimit: { requests: 5, perSeconds: 1 },
  },
  windows: { full: true, every: 'day' },
  slices: years.map((ano) => ({ ano })),
  silver: {
    columns: {
      data: { type: 'date', from: 'date', json: 'string' },
      nome: { type: 'string', from: 'name', json: 'string' },
      tipo: { type: 'string', from: 'type', required: true },
      ano: { type: 'int', from: { slice: 'ano' } },
    },
    key: ['data', 'nome'],
    expects: () => 8,
  },
  freshness: { hours: 48 },
  checks: [
    { kind: 'accepted_values', column: 'tipo', values: ['national'] },
    {
      kind: 'sql',
      name: 'feriado de outro ano',
      sql: 'SELECT * FROM silver.brasilapi_feriados WHERE extract(YEAR FROM data) <> ano',
    },
  ],
  gold: [
    {
      name: 'dias_uteis_uf',
      // The calendar is made of digits, and Monday to Friday are 1 to 5 in both engines: neither has the other's
      // functions for series, nor the other's number for Sunday.
      sql: `WITH digitos AS (SELECT d FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS v (d)),
     calendario AS (
       SELECT CAST(DATE '2020-01-01' + (a.d + 10 * b.d + 100 * c.d + 1000 * e.d) * INTERVAL '1' DAY AS DATE) AS dia
       FROM digitos a CROSS JOIN digitos b CROSS JOIN digitos c CROSS JOIN digitos e),
     dias AS (
       SELECT dia, CAST(date_trunc('month', dia) AS DATE) AS mes
       FROM calendario
       WHERE dia <= DATE '2035-12-31' AND extract(DOW FROM dia) BETWEEN 1 AND 5
         AND dia NOT IN (SELECT data FROM silver.brasilapi_feriados)),
     uteis AS (SELECT mes, count(*) AS dias FROM dias GROUP BY mes),
     fechados AS (
       SELECT DISTINCT f.uf, d.dia, d.mes FROM silver.feriados_uf f CROSS JOIN dias d
       WHERE f.dia IN (CAST(d.dia AS VARCHAR), substr(CAST(d.dia AS VARCHAR), 6))
         AND extract(YEAR FROM d.dia) BETWEEN coalesce(f.desde, 0) AND coalesce(f.ate, 9999)),
     estaduais AS (SELECT uf, mes, count(*) AS dias FROM fechados GROUP BY uf, mes),
     estados AS (SELECT uf, count(*) AS municipios FROM silver.ibge_localidades GROUP BY uf)
SELECT estados.uf, uteis.mes, uteis.dias - coalesce(estaduais.dias, 0) AS dias_uteis, estados.municipios,
  coalesce(estaduais.dias, 0) AS feriados_estaduais
FROM estados CROSS JOIN uteis LEFT JOIN estaduais ON estaduais.uf = estados.uf AND estaduais.mes = uteis.mes`,
      key: ['uf', 'mes'],
    },
  ],
});
