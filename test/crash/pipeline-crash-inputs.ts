import { definePipeline } from '../../src/pipelines/define.ts';
import { jsonAnswer, type TestApi } from '../services/pipelines.ts';

/** Pages of two records, a bad row among them; what was asked for on the first day is restated on the second. */
export const crashPipeline = definePipeline({
  name: 'crash',
  about: 'pages that a crash cuts off',
  source: {
    kind: 'http',
    base: { env: 'X', default: 'http://127.0.0.1:9' },
    path: '/rows?from={from:date}&to={last:date}&offset={offset}&limit={limit}',
    pagination: { kind: 'offset', size: 2 },
    records: 'items',
  },
  windows: [{ every: 'day', from: '2024-01-01', lookback: 2, catchUpSpan: 1, requestSpan: 1 }],
  silver: {
    columns: {
      id: { type: 'int' },
      data: { type: 'date' },
      valor: { type: 'decimal(10,2)', required: true },
    },
    key: ['id'],
    budget: { share: 1 },
  },
  gold: [
    {
      name: 'crash_total',
      sql: 'SELECT CAST(1 AS INTEGER) AS um, CAST(count(*) AS BIGINT) AS linhas, sum(valor) AS soma FROM silver.crash',
      key: ['um'],
    },
    {
      name: 'crash_por_dia',
      sql: 'SELECT data, sum(valor) AS soma FROM silver.crash GROUP BY data',
      key: ['data'],
      incremental: { column: 'data', of: 'data' },
    },
  ],
});

/** The same with a model that changed: another value for each row, and a column more. */
export const changedCrashPipeline = definePipeline({
  ...crashPipeline,
  silver: {
    ...crashPipeline.silver,
    sql: "SELECT _registro, id, data, CAST(valor + 1 AS DECIMAL(10,2)) AS valor, 'x' AS nota FROM registros",
  },
});

const rowsOf = (day: string, restated: boolean) =>
  [0, 1, 2].map((n) => {
    const id = Number(day.slice(8)) * 10 + n;
    const valor = n === 1 && day === '2024-01-02' ? 'not a number' : `${id}.${restated && n === 0 ? 50 : 10}`;
    return { id, data: day, valor };
  });

/** From the second day on, the first row of every earlier day has another value. */
export const crashApi =
  (clock: () => Date): TestApi =>
  ({ url }) => {
    const { searchParams } = new URL(url);
    const day = searchParams.get('from') ?? '';
    const [offset, limit] = [Number(searchParams.get('offset')), Number(searchParams.get('limit'))];
    const restated = clock().toISOString() >= '2024-01-04';
    return jsonAnswer({ items: rowsOf(day, restated).slice(offset, offset + limit) });
  };
