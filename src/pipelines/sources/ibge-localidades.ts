import { definePipeline } from '../define.ts';

/**
 * IBGE: every municipality with its state, as one list. There is no date in it and no other way to see a change: each
 * answer is held against the one before, and what is absent was removed.
 *
 * The newest municipality has no `microrregiao`, so the state is taken from the região imediata, which all have.
 */
export default definePipeline({
  name: 'ibge_localidades',
  about: 'IBGE: municipalities and their states',
  source: {
    kind: 'http',
    base: { env: 'IBGE_URL', default: 'https://servicodados.ibge.gov.br' },
    path: '/api/v1/localidades/municipios',
    timeoutMs: 60_000,
  },
  windows: { full: true, every: 'day' },
  silver: {
    columns: {
      municipio_id: { type: 'int', from: 'id' },
      nome: { type: 'string', required: true, json: 'string' },
      uf: { type: 'string', from: 'regiao-imediata.regiao-intermediaria.UF.sigla', required: true },
      uf_id: { type: 'int', from: 'regiao-imediata.regiao-intermediaria.UF.id', required: true },
      uf_nome: { type: 'string', from: 'regiao-imediata.regiao-intermediaria.UF.nome' },
      regiao: { type: 'string', from: 'regiao-imediata.regiao-intermediaria.UF.regiao.sigla' },
      regiao_imediata: { type: 'string', from: 'regiao-imediata.nome' },
      microrregiao: { type: 'string', from: 'microrregiao.nome', doc: 'Null for the newest municipality' },
    },
    key: ['municipio_id'],
    // A list that is cut short would otherwise remove what it lacks.
    expects: () => 5_500,
  },
  freshness: { hours: 48 },
  checks: [
    { kind: 'row_count', min: 5_500, max: 6_000, onFail: 'stop' },
    {
      kind: 'sql',
      name: 'estado do código',
      sql: 'SELECT * FROM silver.ibge_localidades WHERE CAST(floor(municipio_id / 100000.0) AS INTEGER) <> uf_id',
    },
  ],
  gold: [
    {
      name: 'municipios_por_uf',
      sql: 'SELECT uf, max(uf_nome) AS uf_nome, max(regiao) AS regiao, count(*) AS municipios FROM silver.ibge_localidades GROUP BY uf',
      key: ['uf'],
    },
  ],
});
