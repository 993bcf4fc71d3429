import { afterEach, describe, expect, it } from 'vitest';
import { type AthenaAnswer, type AthenaStandIn, startAthenaStandIn } from '../../../test/services/athena.ts';
import { openAthenaEngine } from './athena.ts';
import { type Batch, type LakeEngine, QueryError, type QueryOptions, QueryTimeoutError } from './engine.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const open = async (answer: AthenaAnswer): Promise<{ athena: AthenaStandIn; engine: LakeEngine }> => {
  const athena = await startAthenaStandIn(() => answer);
  const client = {
    region: 'sa-east-1',
    endpoint: athena.url,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  };
  const engine = openAthenaEngine({
    client,
    workGroup: 'lastro',
    outputLocation: 's3://answers/',
    pollMs: 5,
  });
  closers.push(athena.close, engine.close);
  return { athena, engine };
};
const all = (engine: LakeEngine, options?: QueryOptions, sql = 'SELECT 1'): Promise<Batch[]> =>
  Array.fromAsync(engine.query(sql, options));

const numbers: AthenaAnswer = {
  columns: [{ name: 'n', type: 'bigint' }],
  rows: [['1'], ['9007199254740993'], [null], ['4']],
  pageSize: 2,
  running: 3,
};

describe('the Athena client', () => {
  it('waits for the query, reads all pages and leaves the header out', async () => {
    const { athena, engine } = await open(numbers);
    expect((await all(engine)).flatMap(({ rows }) => rows)).toEqual([[1], ['9007199254740993'], [null], [4]]);
    expect(athena.calls[0]).toMatchObject({
      action: 'StartQueryExecution',
      input: {
        QueryString: 'SELECT 1',
        WorkGroup: 'lastro',
        ResultConfiguration: { OutputLocation: 's3://answers/' },
      },
    });
    expect(athena.calls.filter(({ action }) => action === 'GetQueryResults')).toHaveLength(3);
    expect(athena.stopped).toEqual([]);
  });

  it('takes the first row of DESCRIBE and SHOW as a row', async () => {
    const { engine } = await open({
      columns: [{ name: 'x', type: 'varchar' }],
      rows: [['ordem_id varchar']],
      statementType: 'UTILITY',
    });
    expect((await all(engine, {}, 'DESCRIBE a.b')).flatMap(({ rows }) => rows)).toEqual([
      ['ordem_id varchar'],
    ]);
  });

  it('says why a query failed or was refused', async () => {
    const { engine } = await open({ failure: 'TABLE_NOT_FOUND: line 1:15' });
    await expect(all(engine)).rejects.toThrow(/failed query q-0: TABLE_NOT_FOUND: line 1:15/);
    await expect(all(engine, {}, 'SELECT refuse me')).rejects.toThrow(QueryError);
    await expect(all(engine, {}, 'DROP TABLE a.b')).rejects.toThrow(/read-only/);
  });

  it('stops the query on abort and after its time; limits rows', async () => {
    const endless = await open({ ...numbers, running: Infinity });
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('SIGINT')), 30);
    await expect(all(endless.engine, { signal: abort.signal })).rejects.toThrow('SIGINT');
    await expect(all(endless.engine, { timeoutMs: 30 })).rejects.toThrow(QueryTimeoutError);
    expect(endless.athena.stopped).toHaveLength(2);
    const { engine } = await open(numbers);
    const limited = await all(engine, { maxRows: 2 });
    expect(limited.flatMap(({ rows }) => rows)).toEqual([[1], ['9007199254740993']]);
    expect(limited.at(-1)?.truncated).toBe(true);
  });
});
