import { definePipeline } from '../define.ts';

const dayMs = 86_400_000;

/** Monday to Friday in `[from, to)`. */
const weekdays = (from: Date, to: Date): number => {
  let count = 0;
  for (let at = from.getTime(); at < to.getTime(); at += dayMs) {
    const day = new Date(at).getUTCDay();
    if (day !== 0 && day !== 6) count++;
  }
  return count;
};

/** First days of a month in `[from, to)`. */
const months = (from: Date, to: Date): number => {
  let count = 0;
  for (let at = from.getTime(); at < to.getTime(); at += dayMs) if (new Date(at).getUTCDate() === 1) count++;
  return count;
};

/**
 * Banco Central do Brasil, time series (SGS): Selic (series 11, per cent a day, business days) and IPCA (series 433,
 * per cent a month, dated the first of the month and published around the tenth of the next).
 *
 * The API writes days as dd/MM/yyyy and decimals as text, answers 404 where a range has no value, and 406 to more than
 * ten years of a daily series.
 */
export default definePipeline({
  name: 'bcb_sgs',
  about: 'Banco Central: Selic (series 11) and IPCA (series 433)',
  source: {
    kind: 'http',
    base: { env: 'BCB_SGS_URL', default: 'https://api.bcb.gov.br' },
    path: '/dados/serie/bcdata.sgs.{slice.serie}/dados?formato=json&dataInicial={from:dd/MM/yyyy}&dataFinal={last:dd/MM/yyyy}',
    emptyOn: [404],
    rateLimit: { requests: 5, perSeconds: 1 },
  },
  // IPCA of a month comes up to 41 days after the day that it is dated, and both are restated now and then.
  windows: [{ every: 'day', from: '2020-01-01', lookback: 45 }],
  slices: [{ serie: '11' }, { serie: '433' }],
  silver: {
    columns: {
      serie: { type: 'int', from: { slice: 'serie' } },
      data: { type: 'date', format: 'dd/MM/yyyy', required: true },
      valor: {
        type: 'decimal(18,6)',
        required: true,
        json: 'string',
        doc: 'Per cent: a day (11), a month (433)',
      },
    },
    key: ['serie', 'data'],
    partition: { column: 'data', by: 'year' },
    // A holiday in five weekdays, and the last two months of IPCA, may be missing from a true answer; no more.
    expects: ({ from, to, slice }) =>
      Math.max(0, slice['serie'] === '11' ? Math.floor(weekdays(from, to) * 0.8) - 5 : months(from, to) - 2),
  },
  freshness: {
    hours: 48,
    tables: [
      // A day's Selic comes the next business day; Carnival is five days. The IPCA of a month is dated its first day
      // and comes around the tenth of the next one, so the newest is at most 70 days old.
      { table: 'silver.bcb_sgs', column: 'data', by: 'serie', hours: 168, except: { '433': 1_800 } },
      { table: 'gold.selic_mensal', column: 'mes', hours: 960 },
    ],
  },
  checks: [
    { kind: 'accepted_values', column: 'serie', values: ['11', '433'], onFail: 'stop' },
    { kind: 'range', column: 'valor', min: '-5', max: '10', onFail: 'quarantine' },
    { kind: 'unique', columns: ['serie', 'data'], onFail: 'stop' },
  ],
  gold: [
    {
      name: 'selic_mensal',
      // Logarithms are summed as decimals: the sum is the same in whatever order an engine takes them. Of 14 digits,
      // four more than the rate needs: engines differ in the last bit of a double's logarithm, the 19th digit here.
      sql: `SELECT CAST(date_trunc('month', data) AS DATE) AS mes,
       count(*) AS dias_uteis,
       CAST((exp(CAST(sum(CAST(ln(1 + CAST(valor AS DOUBLE) / 100) AS DECIMAL(38, 14))) AS DOUBLE)) - 1) * 100 AS DECIMAL(18, 6)) AS taxa_mes,
       CAST(sum(CAST(ln(1 + CAST(valor AS DOUBLE) / 100) AS DECIMAL(38, 14))) AS DECIMAL(38, 18)) AS log_fator
FROM silver.bcb_sgs
WHERE serie = 11
GROUP BY CAST(date_trunc('month', data) AS DATE)`,
      key: ['mes'],
      incremental: { column: 'mes', of: "CAST(date_trunc('month', data) AS DATE)" },
    },
    {
      name: 'selic_acumulada',
      sql: `SELECT mes, taxa_mes,
       CAST((exp(CAST(sum(log_fator) OVER (PARTITION BY extract(YEAR FROM mes) ORDER BY mes) AS DOUBLE)) - 1) * 100 AS DECIMAL(18, 6)) AS acumulada_no_ano,
       CASE WHEN count(*) OVER (ORDER BY mes ROWS BETWEEN 11 PRECEDING AND CURRENT ROW) = 12
            THEN CAST((exp(CAST(sum(log_fator) OVER (ORDER BY mes ROWS BETWEEN 11 PRECEDING AND CURRENT ROW) AS DOUBLE)) - 1) * 100 AS DECIMAL(18, 6)) END AS acumulada_12_meses
FROM gold.selic_mensal`,
      key: ['mes'],
    },
    {
      name: 'ipca_acumulado',
      // Of the published months, which are rounded: IBGE's own figure, of its index, may differ by 0,01 (2022 does).
      sql: `SELECT data AS mes, valor AS variacao,
       CAST((exp(CAST(sum(log_fator) OVER (PARTITION BY extract(YEAR FROM data) ORDER BY data) AS DOUBLE)) - 1) * 100 AS DECIMAL(18, 6)) AS acumulado_no_ano,
       CASE WHEN count(*) OVER (ORDER BY data ROWS BETWEEN 11 PRECEDING AND CURRENT ROW) = 12
            THEN CAST((exp(CAST(sum(log_fator) OVER (ORDER BY data ROWS BETWEEN 11 PRECEDING AND CURRENT ROW) AS DOUBLE)) - 1) * 100 AS DECIMAL(18, 6)) END AS acumulado_12_meses
FROM (SELECT data, valor, CAST(ln(1 + CAST(valor AS DOUBLE) / 100) AS DECIMAL(38, 14)) AS log_fator
      FROM silver.bcb_sgs WHERE serie = 433) AS ipca`,
      key: ['mes'],
    },
  ],
});
