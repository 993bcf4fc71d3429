import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../test/services/command-line.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { plan, skip } from '../platform/ledger.ts';
import { transaction } from '../platform/postgres.ts';
import { register } from './cli.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  await transaction(database.pool, async (tx) => {
    const day = (n: number): Date => new Date(Date.UTC(2026, 0, n));
    const windows = [1, 2, 5].map((n) => ({ from: day(n), to: day(n + 1) }));
    const { intervals } = await plan(tx, { pipeline: 'archive', source: 'ordens', windows });
    await skip(tx, { id: intervals[1]?.id ?? '', reason: 'bank holiday' });
  });
});
afterAll(() => database.drop());

const lastro = async (...args: string[]): Promise<string> =>
  (await runCommand(register, ['ledger', ...args], { pool: database.pool })).stdout;

it('shows intervals and holes, as a table and as JSON', async () => {
  const rows = JSON.parse(await lastro('--json')) as Record<string, unknown>[];
  expect(rows.map(({ state, from, error }) => [state, from, error])).toEqual([
    ['planned', '2026-01-01T00:00:00.000Z', null],
    ['hole', '2026-01-02T00:00:00.000Z', 'bank holiday'],
    ['planned', '2026-01-05T00:00:00.000Z', null],
    ['hole', '2026-01-03T00:00:00.000Z', 'never planned'],
  ]);
  const table = await lastro('--state', 'hole');
  expect(table).toMatch(/id +pipeline +source/);
  expect(table.split('\n')).toHaveLength(5);
  expect(await lastro('--source', 'nothing', '--json')).toBe('[]\n');
});

it('answers with 1 to --check where something is missing, with 2 to a wrong call', async () => {
  await expect(lastro('--check')).rejects.toMatchObject({
    exitCode: 1,
    message: '2 windows are failed or missing',
  });
  expect(await lastro('--check', '--to', '2026-01-02')).toContain('planned');
  await expect(lastro('--state', 'lost')).rejects.toMatchObject({ exitCode: 2 });
  await expect(lastro('refill', 'x')).rejects.toMatchObject({ exitCode: 2 });
});

it('refills, skips, and tells the history', async () => {
  const holes = JSON.parse(await lastro('--state', 'hole', '--json')) as { id: string }[];
  const id = holes[0]?.id ?? '';
  expect(await lastro('refill', id)).toBe(`interval ${id} is planned again\n`);
  await expect(lastro('refill', id)).rejects.toMatchObject({
    exitCode: 1,
    message: expect.stringContaining('found planned') as string,
  });
  await lastro('skip', id, '--reason', 'again');
  const history = JSON.parse(await lastro('history', id, '--json')) as {
    to: string;
    detail: string | null;
  }[];
  expect(history.map(({ to, detail }) => [to, detail])).toEqual([
    ['planned', null],
    ['hole', 'bank holiday'],
    ['planned', 'refilled'],
    ['hole', 'again'],
  ]);
  expect(await lastro('leases', '--json')).toBe('[]\n');
});
