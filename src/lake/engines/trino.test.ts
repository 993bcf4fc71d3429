import { afterEach, describe, expect, it } from 'vitest';
import { startTrinoStandIn, type TrinoAnswer, type TrinoStandIn } from '../../../test/services/trino.ts';
import { type Batch, type LakeEngine, QueryError, type QueryOptions, QueryTimeoutError } from './engine.ts';
import { openTrinoEngine } from './trino.ts';
import { parseTrinoType, trinoTimestamp } from './trino-types.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const open = async (
  answer: TrinoAnswer,
  options: { pagesAt?: string } = {},
): Promise<{ trino: TrinoStandIn; engine: LakeEngine }> => {
  const trino = await startTrinoStandIn(() => answer, options);
  const engine = openTrinoEngine({ url: trino.url, user: 'ana', catalog: 'lake' });
  closers.push(trino.close, engine.close);
  return { trino, engine };
};
const all = (engine: LakeEngine, options?: QueryOptions): Promise<Batch[]> =>
  Array.fromAsync(engine.query('SELECT 1', options));

const numbers: TrinoAnswer = {
  columns: [{ name: 'n', type: 'bigint' }],
  pages: ['[[1],[2]]', '[]', '[[9007199254740993],[4]]'],
  queued: 3,
};

describe('the Trino client', () => {
  it('follows the pages, in UTC, in the catalog of the lake, and keeps every digit', async () => {
    const { trino, engine } = await open(numbers);
    const batches = await all(engine);
    expect(batches.flatMap(({ rows }) => rows)).toEqual([[1], [2], ['9007199254740993'], [4]]);
    expect(batches[0]?.columns).toEqual([{ name: 'n', type: 'bigint' }]);
    expect(trino.requests[0]).toMatchObject({
      method: 'POST',
      body: 'SELECT 1',
      headers: { 'x-trino-user': 'ana', 'x-trino-catalog': 'lake', 'x-trino-time-zone': 'UTC' },
    });
    expect(trino.cancelled).toEqual([]);
  });

  it('asks again when a page is unavailable or its answer is lost', async () => {
    const { trino, engine } = await open(numbers);
    trino.spoil(503, 'reset', 502, 429, 'reset');
    expect((await all(engine)).flatMap(({ rows }) => rows)).toHaveLength(4);
  });

  it('says what Trino found wrong', async () => {
    const error = {
      message: "line 1:8: Column 'x' cannot be resolved",
      errorName: 'COLUMN_NOT_FOUND',
      errorCode: 47,
      errorType: 'USER_ERROR',
    };
    const { engine } = await open({ error });
    await expect(all(engine)).rejects.toThrow(QueryError);
    await expect(all(engine)).rejects.toThrow(/COLUMN_NOT_FOUND: line 1:8: Column 'x'/);
  });

  it('fails plainly where there is no Trino', async () => {
    const { trino, engine } = await open(numbers);
    await trino.close();
    await expect(all(engine)).rejects.toThrow(/did not answer: ECONNREFUSED/);
  });

  it('ends the query in the cluster when the reader leaves, on abort, after the time, and at the row limit', async () => {
    const { trino, engine } = await open({ ...numbers, endless: true });
    for await (const _ of engine.query('SELECT 1')) break;
    const abort = new AbortController();
    const stopped = all(engine, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error('SIGINT')), 20);
    await expect(stopped).rejects.toThrow('SIGINT');
    await expect(all(engine, { timeoutMs: 30 })).rejects.toThrow(QueryTimeoutError);
    const limited = await all(engine, { maxRows: 3 });
    expect(limited.flatMap(({ rows }) => rows)).toHaveLength(3);
    expect(limited.at(-1)?.truncated).toBe(true);
    expect(trino.cancelled).toHaveLength(4);
  });

  it('sends its password to the cluster only: over https, and to no other address', async () => {
    expect(() =>
      openTrinoEngine({ url: 'http://trino:8080', user: 'ana', password: 'secret', catalog: 'lake' }),
    ).toThrow(/expected https/);
    const { engine } = await open(numbers, { pagesAt: 'http://elsewhere.example:8080' });
    await expect(all(engine)).rejects.toThrow(/pages at http:\/\/elsewhere.example:8080.*process-forwarded/);
  });

  it('lets only queries through', async () => {
    const { trino, engine } = await open(numbers);
    for (const sql of [
      'DELETE FROM a.b',
      ' /* x */ -- y\n insert into a.b values (1)',
      'CALL a.b()',
      'EXPLAIN ANALYZE INSERT INTO a.b SELECT 1',
      'GRANT x',
      '',
    ]) {
      await expect(Array.fromAsync(engine.query(sql))).rejects.toThrow(QueryError);
    }
    await Array.fromAsync(engine.query('-- all\n (WITH x AS (SELECT 1) SELECT * FROM x);'));
    expect(trino.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });
});

describe("Trino's types and times", () => {
  it('are parsed from their text', () => {
    expect(
      parseTrinoType(
        'row("a ""b" bigint, array(varchar(3)), t timestamp(6) with time zone, timestamp(3) with time zone)',
      ),
    ).toMatchObject({
      name: 'row',
      fieldNames: ['a "b', null, 't', null],
      children: [
        { name: 'bigint' },
        { name: 'array', children: [{ name: 'varchar' }] },
        { name: 'timestamp with time zone' },
        { name: 'timestamp with time zone' },
      ],
    });
    expect(parseTrinoType('map(varchar, decimal(12, 2))').children.map(({ name }) => name)).toEqual([
      'varchar',
      'decimal',
    ]);
  });

  it.each([
    ['2026-01-31 10:00:00', 'timestamp(0)', '2026-01-31T10:00:00'],
    ['2026-01-31 10:00:00.123400', 'timestamp(6)', '2026-01-31T10:00:00.123400'],
    ['2026-01-31 10:00:00.123000 UTC', 'timestamp(6) with time zone', '2026-01-31T10:00:00.123Z'],
    ['2026-01-31 10:00:00.5 -03:00', 'timestamp(1) with time zone', '2026-01-31T13:00:00.500Z'],
    ['2018-11-03 12:00:00 America/Sao_Paulo', 'timestamp(0) with time zone', '2018-11-03T15:00:00Z'],
    ['2018-11-04 12:00:00 America/Sao_Paulo', 'timestamp(0) with time zone', '2018-11-04T14:00:00Z'],
    ['2026-01-31 10:00:00.123456789', 'timestamp(9)', '2026-01-31T10:00:00.123456789'],
    ['1969-12-31 23:59:59.999999', 'timestamp(6)', '1969-12-31T23:59:59.999999'],
  ])('%s as %s', (text, type, expected) => {
    expect(trinoTimestamp(text, type)).toBe(expected);
  });
});
