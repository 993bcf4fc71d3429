import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonAnswer, type PipelineRoom, pipelineRoom } from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { removeOrphans } from '../lake/maintenance.ts';
import { loadTable } from '../lake/tables.ts';
import type { Pipeline } from './declaration.ts';
import { definePipeline } from './define.ts';
import type { FaultPoint } from './faults.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { planPipeline } from './plan.ts';
import { ContractError } from './typing.ts';

let database: TestDatabase;
let room: PipelineRoom;
beforeAll(async () => {
  database = await testDatabase();
  room = await pipelineRoom(database.pool, {
    api: () => jsonAnswer([1, 2, 3].map((id) => ({ id, valor: `${id}.50` }))),
  });
});
afterAll(async () => {
  await room.close();
  await database.drop();
});

let made = 0;
const newPipeline = (): Pipeline => {
  const name = `ensaio${++made}`;
  return definePipeline({
    name,
    about: 'a model that changes',
    source: { kind: 'http', base: { env: 'X', default: 'http://127.0.0.1:9' }, path: '/all' },
    windows: { full: true, every: 'day' },
    silver: { columns: { id: { type: 'int' }, valor: { type: 'decimal(10,2)' } }, key: ['id'] },
    gold: [
      {
        name: `${name}_total`,
        sql: `SELECT CAST(1 AS INTEGER) AS um, CAST(sum(valor) AS DECIMAL(38,2)) AS soma FROM silver.${name}`,
        key: ['um'],
      },
    ],
  });
};

/** Another value for one row, and a column more. */
const changed = (pipeline: Pipeline, contract: Pipeline['silver']['contract'] = {}): Pipeline =>
  definePipeline({
    ...pipeline,
    silver: {
      ...pipeline.silver,
      contract,
      sql: "SELECT _registro, id, CAST(CASE WHEN id = 2 THEN 9 ELSE valor END AS DECIMAL(10,2)) AS valor, 'x' AS nota FROM registros",
    },
  });

const tablesOf = ({ name }: Pipeline) => [`silver.${name}`, `gold.${name}_total`];
const metadataOf = async (table: string) => (await loadTable(room.lake, table)).metadata;
const refsOf = async (table: string) => Object.keys((await metadataOf(table)).refs);
const later = (hours: number) => ({ ...room.lake, clock: () => new Date(Date.now() + hours * 3_600_000) });
const plan = (pipeline: Pipeline, deps: Partial<PipelineDeps> = {}) =>
  planPipeline({ ...room.deps, pipelines: [pipeline], ...deps }, pipeline);

const difference = [{ difference: { changed: 3, same: 0 } }, { difference: { changed: 1 } }];

describe('the plan of a changed model', () => {
  it('lies on a scratch branch of each table, for any engine to read, until it is told', async () => {
    const pipeline = newPipeline();
    await room.run(pipeline);
    const [silver = '', gold = ''] = tablesOf(pipeline);
    const before = [await metadataOf(silver), await metadataOf(gold)];
    const seen: unknown[] = [];
    const told = await plan(changed(pipeline), {
      fault: async (point) => {
        if (point !== 'before-drop') return;
        const [, branch = ''] = await refsOf(silver);
        const engine = await room.deps.engine();
        const sql = `SELECT s.id, s.valor, s.nota, g.soma FROM ${silver} s AT (VERSION => '${branch}'), ${gold} g AT (VERSION => '${branch}') WHERE id = 2`;
        for await (const { rows } of engine.query(sql)) seen.push(...rows);
        for await (const { rows } of engine.query(
          `SELECT * EXCLUDE (valido_desde, captura_id, hash_linha) FROM ${silver} WHERE id = 2`,
        )) {
          seen.push(...rows);
        }
      },
    });
    expect(told.changes).toMatchObject(difference);
    expect(seen).toEqual([
      [2, '9.00', 'x', '14.00'],
      [2, '2.50', 1],
    ]);
    for (const [index, table] of [silver, gold].entries()) {
      const { refs, snapshots, schemas, 'current-schema-id': schema } = await metadataOf(table);
      const old = before[index];
      expect({ refs, snapshots, schemas, schema }).toEqual({
        refs: old?.refs,
        snapshots: old?.snapshots,
        schemas: old?.schemas,
        schema: old?.['current-schema-id'],
      });
    }
    await room.run(changed(pipeline));
    expect(await room.rows(silver, 'id, valor, nota')).toMatchObject([{}, { valor: '9.00', nota: 'x' }, {}]);
  });

  it.each<FaultPoint>(['after-branch', 'after-scratch', 'before-drop'])(
    'killed %s: the tables are as they were, and the branch goes once no plan can need it',
    async (dieAt) => {
      const pipeline = newPipeline();
      await room.run(pipeline);
      const [silver = '', gold = ''] = tablesOf(pipeline);
      const rows = await room.rows(silver);
      let dead = false;
      const { catalog } = room.lake;
      const alive = <T>(work: () => Promise<T>): Promise<T> =>
        dead ? Promise.reject(new Error('killed')) : work();
      const dying: PipelineDeps['lake'] = {
        ...room.lake,
        catalog: {
          list: (...args) => alive(() => catalog.list(...args)),
          load: (...args) => alive(() => catalog.load(...args)),
          swap: (...args) => alive(() => catalog.swap(...args)),
        },
      };
      const fault = (point: FaultPoint): void => {
        if (dead || point !== dieAt) return;
        dead = true;
        throw new Error('killed');
      };
      await expect(plan(changed(pipeline), { lake: dying, fault })).rejects.toThrow('killed');
      expect(await room.rows(silver)).toEqual(rows);
      const left = await refsOf(silver);
      expect(left).toEqual(['main', expect.stringMatching(/^scratch_/)]);

      // It may belong to a plan that lives: the next one leaves it alone, and makes its own.
      expect((await plan(changed(pipeline))).changes).toMatchObject(difference);
      expect(await refsOf(silver)).toEqual(left);
      expect((await plan(changed(pipeline), { lake: later(7) })).changes).toMatchObject(difference);
      for (const table of [silver, gold]) {
        expect(await refsOf(table)).toEqual(['main']);
        await removeOrphans(later(1_000), table);
        expect((await removeOrphans(later(1_000), table, { dryRun: true })).files).toBe(0);
      }
      expect(await room.rows(silver)).toEqual(rows);
    },
  );

  it('ends as the run would where the tables may not change', async () => {
    const pipeline = newPipeline();
    await room.run(pipeline);
    const frozen = changed(pipeline, { table: 'freeze' });
    await expect(plan(frozen)).rejects.toThrow(ContractError);
    const [gold] = pipeline.gold ?? [];
    if (!gold) throw new Error('expected a gold table');
    const retyped = definePipeline({
      ...pipeline,
      gold: [{ ...gold, sql: gold.sql.replace('DECIMAL(38,2)', 'VARCHAR') }],
    });
    await expect(plan(retyped)).rejects.toThrow('column soma is decimal(38, 2) and would become string');
    expect(await refsOf(`silver.${pipeline.name}`)).toEqual(['main']);
  });
});
