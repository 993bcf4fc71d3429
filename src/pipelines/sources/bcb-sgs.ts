import { definePipeline } from '../define.ts';

/**
 * Banco Central do Brasil, time series (SGS): Selic (series 11, per cent a day, business days) and IPCA (series 433,
 * per cent a month, dated the first of the month and published around the tenth of the next).
 *
 * The API writes decimals as text, and answers 404 or an empty list where a range has no value. A range may span ten
 * years at most.
 */
export default definePipeline({
  name: 'bcb_sgs',
  about: 'Banco Central: Selic (series 11) and IPCA (series 433)',
  source: {
    kind: 'http',
    base: { env: 'BCB_SGS_URL', default: 'https://api.bcb.gov.br' },
    path: '/dados/serie/bcdata.sgs.{slice.serie}/dados?formato=json&dataInicial={from:dd/MM/yyyy}&dataFinal={last:dd/MM/yyyy}',
    rateLimit: { requests: 5, perSeconds: 1 },
  },
  windows: [{ every: 'day', from: '2020-01-01', lookback: 45 }],
  slices: [{ serie: '11' }, { serie: '433' }],
  silver: {
    columns: {
      serie: { type: 'int', from: { slice: 'serie' } },
      data: { type: 'date', format: 'dd/MM/yyyy', required: true },
      valor: { type: 'decimal(18,6)', required: true },
    },
    key: ['serie', 'data'],
    partition: { column: 'data', by: 'year' },
  },
});
