import { definePipeline } from '../define.ts';

/**
 * BrasilAPI: the institutions of Banco Central's list of participants, as one list. Some have no code; the ISPB keeps
 * its zeros in front, and so is text.
 */
export default definePipeline({
  name: 'brasilapi_bancos',
  about: 'BrasilAPI: banks and their codes',
  source: {
    kind: 'http',
    base: { env: 'BRASILAPI_URL', default: 'https://brasilapi.com.br' },
    path: '/api/banks/v1',
  },
  windows: { full: true, every: 'day' },
  silver: {
    columns: {
      ispb: { type: 'string', json: 'string' },
      codigo: { type: 'int', from: 'code' },
      nome: { type: 'string', from: 'name' },
      nome_completo: { type: 'string', from: 'fullName' },
    },
    key: ['ispb'],
    expects: () => 10,
  },
  freshness: { hours: 48 },
  checks: [
    {
      kind: 'sql',
      name: 'ispb de 8 dígitos',
      sql: 'SELECT * FROM silver.brasilapi_bancos WHERE length(ispb) <> 8 OR TRY_CAST(ispb AS INTEGER) IS NULL',
    },
    { kind: 'row_count', min: 10, onFail: 'stop' },
  ],
});
