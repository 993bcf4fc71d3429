import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LogicalPostgres, startLogicalPostgres } from '../../../test/services/logical-postgres.ts';
import type { CustomSource } from '../declaration.ts';
import { pgCursorSource } from './pg-cursor.ts';
import { pgLogicalSource } from './pg-logical.ts';
import { withClient } from './pg-source.ts';
import { SlotLostError, slotStatus } from './replication-slot.ts';

type Row = Record<string, unknown> & { _op?: string; _lsn?: string; _seq?: number };

let source: LogicalPostgres;
beforeAll(async () => {
  source = await startLogicalPostgres({ max_slot_wal_keep_size: '48MB', wal_sender_timeout: '60s' });
}, 120_000);
afterAll(() => source.close());

const env = (): NodeJS.ProcessEnv => ({ SOURCE_URL: source.url });

/** Reads a window: all pages from `watermark` on. `die` ends it after so many pages, as a kill would. */
const readWindow = async (
  from: CustomSource,
  watermark: string | null,
  { die = Number.POSITIVE_INFINITY, resume = null }: { die?: number; resume?: string | null } = {},
) => {
  const rows: Row[] = [];
  const pages: number[] = [];
  let next: string | null = resume;
  let reached = watermark;
  do {
    const page = await from.read({
      from: new Date(0),
      to: new Date(),
      slice: {},
      next,
      watermark,
      env: env(),
      signal: AbortSignal.timeout(60_000),
    });
    const read = JSON.parse(Buffer.from(page.body).toString('utf8')) as Row[];
    rows.push(...read);
    pages.push(read.length);
    next = page.next;
    reached = page.watermark ?? reached;
  } while (next !== null && pages.length < die);
  return { rows, pages, next, watermark: reached };
};

/** The state that the records, in whatever order they come, make of a table. */
const stateOf = (rows: readonly Row[]): Record<string, Row> => {
  const newer = (a: Row, b: Row): number =>
    Number(BigInt(a._lsn ?? 0) - BigInt(b._lsn ?? 0)) || Number(a._seq ?? 0) - Number(b._seq ?? 0);
  const state = new Map<string, Row>();
  for (const row of [...rows].sort(newer)) {
    if (row._op === 'truncate') state.clear();
    else if (row._op === 'delete') state.delete(String(row.id));
    else state.set(String(row.id), row);
  }
  return Object.fromEntries(
    [...state].sort(([a], [b]) => Number(a) - Number(b)).map(([id, row]) => [id, plain(row)]),
  );
};

const plain = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith('_')));

const tableState = async (table: string): Promise<Record<string, Row>> => {
  const { rows } = await source.run(`SELECT id::text, nota, valor::text FROM ${table} ORDER BY id`);
  return Object.fromEntries(rows.map((row: Row) => [String(row.id), row]));
};

let table: string;
let count = 0;
const logical = (more: { pageRows?: number; slot?: string } = {}): CustomSource =>
  pgLogicalSource({ urlFrom: 'SOURCE_URL', table, publication: `pub_${table}`, ...more });

beforeEach(async () => {
  table = `pedidos_${++count}`;
  await source.run(
    `CREATE TABLE ${table} (id bigint PRIMARY KEY, nota text, valor numeric);
     CREATE PUBLICATION pub_${table} FOR TABLE ${table}`,
  );
});

const dropSlot = (): Promise<unknown> =>
  source.run(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'lastro_public_${table}'`,
  );

describe('a table by logical replication', () => {
  it('reads the table first, then inserts, updates, deletes and truncates, each once', async () => {
    await source.run(`INSERT INTO ${table} SELECT i, 'n' || i, i + 0.50 FROM generate_series(1, 7) i`);
    const first = await readWindow(logical({ pageRows: 3 }), null);
    expect(first.rows.map(({ _op }) => _op)).toEqual(Array(7).fill('snapshot'));
    expect(first.rows[0]).toMatchObject({ id: '1', nota: 'n1', valor: '1.50' });
    await source.run(`INSERT INTO ${table} VALUES (8, NULL, 9007199254740993.10)`);
    await source.run(`UPDATE ${table} SET nota = 'outra' WHERE id = 2`);
    await source.run(`UPDATE ${table} SET id = 30 WHERE id = 3`);
    await source.run(`DELETE FROM ${table} WHERE id = 4`);
    const second = await readWindow(logical(), first.watermark);
    expect(second.rows.map(({ _op, id, valor }) => [_op, id, valor])).toEqual([
      ['insert', '8', '9007199254740993.10'],
      ['update', '2', '2.50'],
      ['delete', '3', undefined],
      ['update', '30', '3.50'],
      ['delete', '4', undefined],
    ]);
    expect(stateOf([...first.rows, ...second.rows])).toEqual(await tableState(table));
    await source.run(`TRUNCATE ${table}; INSERT INTO ${table} VALUES (1, 'depois', 1)`);
    const third = await readWindow(logical(), second.watermark);
    expect(third.rows.map(({ _op }) => _op)).toEqual(['truncate', 'insert']);
    expect((await readWindow(logical(), third.watermark)).rows).toEqual([]);
    await dropSlot();
  });

  it('starts again at any page, also within a transaction, without loss or duplicates', async () => {
    await source.run(`INSERT INTO ${table} SELECT i, 'n', 0 FROM generate_series(1, 10) i`);
    const first = await readWindow(logical({ pageRows: 4 }), null);
    await source.run(`BEGIN; INSERT INTO ${table} SELECT i, 'm', 1 FROM generate_series(11, 35) i; COMMIT`);
    await source.run(`UPDATE ${table} SET nota = 'x' WHERE id % 2 = 0`);
    const whole = await readWindow(logical(), first.watermark);
    const inPieces = await readWindow(logical({ pageRows: 4 }), first.watermark);
    expect(inPieces.pages.length).toBeGreaterThan(5);
    expect(inPieces.rows).toEqual(whole.rows);
    for (const die of [1, 3, 6]) {
      const killed = await readWindow(logical({ pageRows: 4 }), first.watermark, { die });
      const resumed = await readWindow(logical({ pageRows: 4 }), first.watermark, { resume: killed.next });
      expect([...killed.rows, ...resumed.rows]).toEqual(whole.rows);
    }
    await dropSlot();
  });

  it('confirms only what is committed, and then the source forgets it', async () => {
    const from = logical();
    const first = await readWindow(from, null);
    await source.run(`INSERT INTO ${table} VALUES (1, 'a', 1)`);
    const lost = await readWindow(from, first.watermark);
    const again = await readWindow(from, first.watermark);
    expect(again.rows).toEqual(lost.rows);
    const lag = async () =>
      withClient(source.url, async (db) => (await slotStatus(db, `lastro_public_${table}`))?.lagBytes ?? -1);
    const before = await lag();
    await from.acknowledge?.(again.watermark ?? '', env());
    await from.acknowledge?.(again.watermark ?? '', env());
    await from.acknowledge?.(first.watermark ?? '', env());
    expect(await lag()).toBeLessThan(before);
    expect((await readWindow(from, again.watermark)).rows).toEqual([]);
    await dropSlot();
  });

  it('has the value of what an update did not send: from the whole old row, or read afterwards', async () => {
    const long = (letter: string): string =>
      `(SELECT string_agg(md5('${letter}' || i), '') FROM generate_series(1, 400) i)`;
    await source.run(`ALTER TABLE ${table} ALTER nota SET STORAGE EXTERNAL`);
    await source.run(`INSERT INTO ${table} VALUES (1, ${long('a')}, 1), (2, ${long('b')}, 1)`);
    const first = await readWindow(logical(), null);
    await source.run(`UPDATE ${table} SET valor = 2 WHERE id = 1`);
    await source.run(`UPDATE ${table} SET valor = 2 WHERE id = 2; DELETE FROM ${table} WHERE id = 2`);
    const second = await readWindow(logical(), first.watermark);
    expect(second.rows.map(({ _op, _looked_up, _unavailable }) => [_op, _looked_up, _unavailable])).toEqual([
      ['update', ['nota'], undefined],
      ['update', undefined, ['nota']],
      ['delete', undefined, undefined],
    ]);
    expect(second.rows[0]?.nota).toBe(first.rows[0]?.nota);
    await source.run(`ALTER TABLE ${table} REPLICA IDENTITY FULL`);
    await source.run(`UPDATE ${table} SET valor = 3; DELETE FROM ${table}`);
    const third = await readWindow(logical(), second.watermark);
    expect(third.rows[0]).toMatchObject({ _op: 'update', nota: first.rows[0]?.nota });
    expect(third.rows[0]).not.toHaveProperty('_looked_up');
    expect(third.rows[1]).toMatchObject({ _op: 'delete', id: '1', valor: '3' });
    await dropSlot();
  });

  it('keeps every type without loss', async () => {
    await source.run(
      `ALTER TABLE ${table} ADD b boolean, ADD d date, ADD t timestamp, ADD z timestamptz, ADD y bytea, ADD j jsonb, ADD a int[], ADD f double precision, ADD u uuid, ADD i interval, ADD n numeric(38, 10)`,
    );
    const values = `'x', 'NaN', true, '2024-02-29', '2024-01-02 03:04:05.000001', '2024-01-02 03:04:05.123456-03', '\\x00ff', '{"a": 1.10}', '{1,NULL}', 0.1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1 day 02:03:04.5', 1234567890123456789012345678.1234567890`;
    await source.run(`INSERT INTO ${table} VALUES (1, ${values})`);
    const first = await readWindow(logical(), null);
    await source.run(`INSERT INTO ${table} VALUES (2, ${values})`);
    const second = await readWindow(logical(), first.watermark);
    const expected = {
      nota: 'x',
      valor: 'NaN',
      b: true,
      d: '2024-02-29',
      t: '2024-01-02T03:04:05.000001',
      z: '2024-01-02T06:04:05.123456Z',
      y: '\\x00ff',
      j: '{"a": 1.10}',
      a: '{1,NULL}',
      f: '0.1',
      u: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      i: 'P1DT2H3M4.5S',
      n: '1234567890123456789012345678.1234567890',
    };
    expect(first.rows[0]).toMatchObject({ id: '1', ...expected });
    expect(second.rows[0]).toMatchObject({ id: '2', ...expected });
    await dropSlot();
  });

  it('gives the state of the table, whatever was done to it, however it is cut', async () => {
    const operation = fc.oneof(
      fc.tuple(fc.constant('upsert'), fc.integer({ min: 1, max: 8 }), fc.string({ maxLength: 5 })),
      fc.tuple(fc.constant('delete'), fc.integer({ min: 1, max: 8 }), fc.constant('')),
      fc.tuple(fc.constant('move'), fc.integer({ min: 1, max: 8 }), fc.constant('')),
      fc.tuple(fc.constant('truncate'), fc.constant(0), fc.constant('')),
      fc.tuple(fc.constant('commit'), fc.constant(0), fc.constant('')),
      fc.tuple(fc.constant('rollback'), fc.constant(0), fc.constant('')),
    );
    const first = await readWindow(logical(), null);
    let watermark = first.watermark;
    const records = [...first.rows];
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { maxLength: 30 }),
        fc.integer({ min: 1, max: 6 }),
        async (operations, pageRows) => {
          const sql = operations.map(([kind, id, nota]) => {
            const text = `'${nota.replaceAll("'", "''").replaceAll('\0', '')}'`;
            if (kind === 'upsert')
              return `INSERT INTO ${table} VALUES (${id}, ${text}, ${id}) ON CONFLICT (id) DO UPDATE SET nota = ${text}`;
            if (kind === 'delete') return `DELETE FROM ${table} WHERE id = ${id}`;
            if (kind === 'move')
              return `UPDATE ${table} SET id = 9 WHERE id = ${id} AND NOT EXISTS (SELECT FROM ${table} WHERE id = 9)`;
            if (kind === 'truncate') return `TRUNCATE ${table}`;
            return `${kind.toUpperCase()}; BEGIN`;
          });
          await source.run(`BEGIN; ${[...sql, 'COMMIT'].join('; ')}`);
          const window = await readWindow(logical({ pageRows }), watermark);
          records.push(...window.rows);
          watermark = window.watermark;
          expect(stateOf(records)).toEqual(await tableState(table));
        },
      ),
      { numRuns: 15 },
    );
    await dropSlot();
  }, 60_000);
});

describe('a slot', () => {
  it('that is gone, moved on, or given up by the source is said to be lost', async () => {
    const from = logical();
    const first = await readWindow(from, null);
    await source.run(`INSERT INTO ${table} VALUES (1, 'a', 1)`);
    await source.run(`SELECT pg_replication_slot_advance('lastro_public_${table}', pg_switch_wal())`);
    await expect(readWindow(from, first.watermark)).rejects.toThrow(/moved on .* by someone else/);
    await dropSlot();
    await expect(readWindow(from, first.watermark)).rejects.toThrow(SlotLostError);
    const other = `7 ${first.watermark?.split(' ')[1]}`;
    await expect(readWindow(from, other)).rejects.toThrow('another database now');
    const second = await readWindow(from, null);
    for (let n = 0; n < 5; n++) {
      await source.run(
        `CREATE TABLE lixo AS SELECT repeat('x', 1000) FROM generate_series(1, 20000); DROP TABLE lixo`,
      );
      await source.run('SELECT pg_switch_wal()');
    }
    await source.run('CHECKPOINT');
    await expect(readWindow(from, second.watermark)).rejects.toThrow(/given it up/);
    await dropSlot();
  }, 60_000);

  it('is read with no more than REPLICATION and SELECT', async () => {
    await source.run(
      `CREATE ROLE leitor_${table} LOGIN REPLICATION PASSWORD 'segredo'; GRANT SELECT ON ${table} TO leitor_${table};
       INSERT INTO ${table} VALUES (1, 'a', 1)`,
    );
    const address = new URL(source.url);
    address.username = `leitor_${table}`;
    address.password = 'segredo';
    const page = await logical().read({
      from: new Date(),
      to: new Date(),
      slice: {},
      next: null,
      watermark: null,
      env: { SOURCE_URL: address.href },
      signal: AbortSignal.timeout(60_000),
    });
    expect(Buffer.from(page.body).toString()).toContain('"snapshot"');
    expect(page.address).not.toContain('segredo');
    await dropSlot();
  });

  it('needs a publication of all changes, with the table, and a key', async () => {
    const read = (publication: string, of: string = table): Promise<unknown> =>
      readWindow(pgLogicalSource({ urlFrom: 'SOURCE_URL', table: of, publication }), null);
    await expect(read('none')).rejects.toThrow(`CREATE PUBLICATION "none" FOR TABLE "public"."${table}"`);
    await source.run(`CREATE PUBLICATION part_${table} FOR TABLE ${table} WITH (publish = 'insert')`);
    await expect(read(`part_${table}`)).rejects.toThrow("publish = 'insert, update, delete, truncate'");
    await source.run(
      `CREATE TABLE keyless_${table} (a int); ALTER PUBLICATION pub_${table} ADD TABLE keyless_${table}`,
    );
    await expect(read(`pub_${table}`, `keyless_${table}`)).rejects.toThrow('expected a primary key');
    await expect(
      logical().read({
        from: new Date(),
        to: new Date(),
        slice: {},
        next: null,
        watermark: null,
        env: {},
        signal: AbortSignal.timeout(9),
      }),
    ).rejects.toThrow('in SOURCE_URL');
  });
});

describe('a table by a cursor', () => {
  const cursor = (more: { pageRows?: number; overlap?: string } = {}): CustomSource =>
    pgCursorSource({ urlFrom: 'SOURCE_URL', table, cursor: 'em', overlap: '10 minutes', ...more });
  beforeEach(() => source.run(`ALTER TABLE ${table} ADD em timestamptz`));

  it('reads what is new or changed, in pages, and again what lies within the overlap', async () => {
    await source.run(
      `INSERT INTO ${table} SELECT i, 'n', 0, '2024-01-01 00:00Z'::timestamptz + i / 2 * interval '1 minute' FROM generate_series(1, 25) i`,
    );
    const first = await readWindow(cursor({ pageRows: 4 }), null);
    expect(first.rows.map(({ id }) => id)).toEqual(Array.from({ length: 25 }, (_, n) => String(n + 1)));
    expect(first.watermark).toBe('2024-01-01 00:12:00+00');
    // Committed late: its value lies before the last one that was seen.
    await source.run(`INSERT INTO ${table} VALUES (99, 'late', 0, '2024-01-01 00:05Z')`);
    const second = await readWindow(cursor(), first.watermark);
    expect(second.rows.map(({ id }) => id)).toContain('99');
    expect(second.rows.map(({ id }) => id)).not.toContain('3');
    expect((await readWindow(cursor({ overlap: '0 s' }), first.watermark)).rows.map(({ id }) => id)).toEqual([
      '24',
      '25',
    ]);
  });

  it('says that rows without a cursor would never be read', async () => {
    await source.run(`INSERT INTO ${table} VALUES (1, 'n', 0, NULL)`);
    await expect(readWindow(cursor(), null)).rejects.toThrow('1 rows have no em');
  });

  it('takes numbers too', async () => {
    await source.run(`INSERT INTO ${table} SELECT i, 'n', 0, now() FROM generate_series(1, 5) i`);
    const byId = pgCursorSource({ urlFrom: 'SOURCE_URL', table, cursor: 'id', overlap: '1' });
    const first = await readWindow(byId, null);
    expect(first.watermark).toBe('5');
    expect((await readWindow(byId, first.watermark)).rows.map(({ id }) => id)).toEqual(['4', '5']);
  });
});
