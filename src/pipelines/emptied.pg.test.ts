import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonAnswer, type PipelineRoom, pipelineRoom } from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import type { Pipeline } from './declaration.ts';
import { definePipeline } from './define.ts';

type Op = { op: 'insert' | 'delete'; id: number; valor: number } | { op: 'truncate' };

let database: TestDatabase;
let room: PipelineRoom;
/** What the log has of each day; a window is a day, a page has two changes. */
let log: Op[][] = [];
beforeAll(async () => {
  database = await testDatabase();
  room = await pipelineRoom(database.pool, {
    api: ({ url }) => {
      const { searchParams } = new URL(url);
      const day = Number(searchParams.get('day')?.slice(8)) - 1;
      const offset = Number(searchParams.get('offset'));
      const records = (log[day] ?? []).map((change, n) => ({ ...change, lsn: day + 1, seq: n }));
      return jsonAnswer(records.slice(offset, offset + 2));
    },
  });
});
afterAll(async () => {
  await room.close();
  await database.drop();
});

let made = 0;
const newPipeline = (): Pipeline =>
  definePipeline({
    name: `esvazia${++made}`,
    about: 'a log with truncations',
    source: {
      kind: 'http',
      base: { env: 'X', default: 'http://127.0.0.1:9' },
      path: '/log?day={from:date}&offset={offset}&limit={limit}',
      pagination: { kind: 'offset', size: 2 },
    },
    windows: [{ every: 'day', from: '2024-01-01', catchUpSpan: 1 }],
    silver: {
      columns: {
        id: { type: 'int' },
        valor: { type: 'int', required: true },
        lsn: { type: 'int' },
        seq: { type: 'int' },
      },
      key: ['id'],
      newest: ['lsn', 'seq'],
      deletes: { field: 'op', value: 'delete', all: 'truncate' },
    },
  });

const change: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('insert' as const),
      id: fc.integer({ min: 1, max: 4 }),
      valor: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('delete' as const),
      id: fc.integer({ min: 1, max: 4 }),
      valor: fc.constant(0),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ op: 'truncate' as const }) },
);

/** The table that the log tells of. */
const stateOf = (changes: readonly Op[]): [number, number][] => {
  const rows = new Map<number, number>();
  for (const each of changes) {
    if (each.op === 'truncate') rows.clear();
    else if (each.op === 'delete') rows.delete(each.id);
    else rows.set(each.id, each.valor);
  }
  return [...rows].sort(([a], [b]) => a - b);
};

describe('a record that says that all rows are gone', () => {
  it('deletes what was there before it, with history, whether silver is merged or made anew', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { maxLength: 6 }), { minLength: 1, maxLength: 3 }),
        async (drawn) => {
          log = drawn;
          const pipeline = newPipeline();
          const silver = `silver.${pipeline.name}`;
          const shown = async () => ({
            rows: await room.rows(silver, 'id, valor'),
            history: await room.rows(`${silver}_historico`, 'id, valor, valido_desde, valido_ate, motivo'),
            quarantine: await room.rows(`${silver}_quarentena`, 'motivo'),
          });
          for (const [day] of drawn.entries()) {
            room.setClock(`2024-01-0${day + 2}T02:00:00Z`);
            let page = 0;
            // Each page is fetched at an instant of its own, as by a clock that goes on.
            const clock = () => new Date(Date.parse(`2024-01-0${day + 2}T02:00:00Z`) + page++);
            const { windows } = await room.run(pipeline, {}, { clock });
            expect(windows.map(({ state, error }) => error ?? state)).not.toContain('failed');
          }
          const merged = await shown();
          expect(merged.rows.map((row) => [row['id'], row['valor']])).toEqual(stateOf(drawn.flat()));
          expect(merged.quarantine).toEqual([]);
          await room.run(pipeline, { rebuild: true });
          expect(await shown()).toEqual(merged);
        },
      ),
      { numRuns: 6, endOnFailure: true },
    );
  });

  it('needs columns by which rows before and after it are told apart', () => {
    const { silver, ...rest } = newPipeline();
    const { newest: _, ...without } = silver;
    expect(() => definePipeline({ ...rest, silver: without })).toThrow('silver.deletes.all');
  });
});
