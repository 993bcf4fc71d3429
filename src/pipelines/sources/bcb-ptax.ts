import { definePipeline } from '../define.ts';

/**
 * Banco Central do Brasil, PTAX: the dollar's closing rates, by OData.
 *
 * An answer does not say which day a quote is of: `dataHoraCotacao` is when it was published, and that has been days
 * later. So each request is for one day, and the day is the request's. Days without a quote are 200 with an empty list;
 * some days have the same quote twice within milliseconds; the fraction of a second has one to six digits.
 */
export default definePipeline({
  name: 'bcb_ptax',
  about: 'Banco Central: PTAX, rates of the dollar',
  source: {
    kind: 'http',
    base: { env: 'BCB_PTAX_URL', default: 'https://olinda.bcb.gov.br' },
    path:
      '/olinda/servico/PTAX/versao/v1/odata/CotacaoDolarPeriodo(dataInicial=@dataInicial,dataFinalCotacao=@dataFinalCotacao)' +
      "?@dataInicial='{from:MM-dd-yyyy}'&@dataFinalCotacao='{last:MM-dd-yyyy}'&$format=json&$top={limit}&$skip={offset}",
    records: 'value',
    pagination: { kind: 'odata', size: 100 },
    rateLimit: { requests: 10, perSeconds: 1 },
  },
  // A quote that is published days late is found by the days before, which are asked for again.
  windows: [{ every: 'day', from: '2026-01-01', lookback: 7, requestSpan: 1 }],
  silver: {
    columns: {
      data: { type: 'date', from: { request: 'from' }, doc: 'The day that was asked for' },
      publicada_em: {
        type: 'timestamptz',
        from: 'dataHoraCotacao',
        zone: 'America/Sao_Paulo',
        required: true,
        json: 'string',
      },
      compra: { type: 'decimal(18,5)', from: 'cotacaoCompra', required: true, json: 'number', doc: 'BRL' },
      venda: { type: 'decimal(18,5)', from: 'cotacaoVenda', required: true, json: 'number', doc: 'BRL' },
    },
    key: ['data'],
    newest: ['publicada_em'],
    partition: { column: 'data', by: 'year' },
  },
  // No quote on weekends and holidays; Carnival is five days.
  freshness: { hours: 48, tables: [{ table: 'silver.bcb_ptax', column: 'data', hours: 168 }] },
  checks: [
    { kind: 'sql', name: 'compra acima da venda', sql: 'SELECT * FROM silver.bcb_ptax WHERE compra > venda' },
    { kind: 'range', column: 'venda', min: '0.00001', onFail: 'quarantine' },
  ],
  gold: [
    {
      name: 'ptax_mensal',
      sql: `SELECT CAST(date_trunc('month', data) AS DATE) AS mes,
       count(*) AS dias,
       CAST(CAST(sum(venda) AS DOUBLE) / count(*) AS DECIMAL(18, 5)) AS venda_media,
       min(venda) AS venda_menor,
       max(venda) AS venda_maior,
       min_by(venda, CAST(data AS VARCHAR)) AS venda_primeira,
       max_by(venda, CAST(data AS VARCHAR)) AS venda_ultima,
       CAST(stddev_samp(CAST(venda AS DOUBLE)) AS DECIMAL(18, 6)) AS venda_desvio
FROM silver.bcb_ptax
GROUP BY CAST(date_trunc('month', data) AS DATE)`,
      key: ['mes'],
      incremental: { column: 'mes', of: "CAST(date_trunc('month', data) AS DATE)" },
    },
  ],
});
