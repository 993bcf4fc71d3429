import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { transactionsOver } from '../../test/services/visibility.ts';
import { type AuditVerdict, recordAudit, sealAudit, verifyAudit } from './audit.ts';
import { loadSigningKeys, publicJwks, type SigningKeys } from './signing-keys.ts';
import { openStore } from './store/open-store.ts';
import type { OpenedStore } from './store/store.ts';

let database: TestDatabase;
let home: string;
let store: OpenedStore;
let keys: SigningKeys;

beforeEach(async () => {
  database = await testDatabase();
  home = await mkdtemp(join(tmpdir(), 'lastro-audit-'));
  store = await openStore(`file://${join(home, 'store')}`);
  keys = await loadSigningKeys({ path: join(home, 'keys.json'), createIfAbsent: true });
});
afterEach(async () => {
  await store.close();
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

const append = async (count: number, by = 'maria'): Promise<void> => {
  for (let index = 0; index < count; index++)
    await recordAudit(database.pool, {
      at: new Date(),
      by,
      action: 'order.create',
      resource: `ord_${index}`,
    });
};

const sealNow = (): Promise<number> =>
  sealAudit({ db: database.pool, keys, store: store.store, clock: () => new Date() });

/** A seal takes what no open transaction is older than: also none of the tests beside this one. */
const seal = async (): Promise<number> => {
  await transactionsOver(database.pool);
  return sealNow();
};

const verify = (): Promise<AuditVerdict> =>
  verifyAudit({ db: database.pool, store: store.store, jwks: publicJwks(keys) });

/** What only an owner of the database could do. */
const tamper = async (sql: string): Promise<void> => {
  await database.pool.query('ALTER TABLE trilha_auditoria DISABLE TRIGGER USER');
  const { rowCount } = await database.pool.query(sql);
  expect(rowCount).toBeGreaterThan(0);
  await database.pool.query('ALTER TABLE trilha_auditoria ENABLE TRIGGER USER');
};

const threeSeals = async (): Promise<void> => {
  for (const count of [5, 3, 4]) {
    await append(count);
    expect(await seal()).toBe(count);
  }
};

describe('the audit trail', () => {
  it('is only appended to', async () => {
    await append(1);
    for (const sql of [
      `UPDATE trilha_auditoria SET quem = 'x'`,
      'DELETE FROM trilha_auditoria',
      'TRUNCATE trilha_auditoria',
    ])
      await expect(database.pool.query(sql)).rejects.toThrow('append-only');
  });

  it('is sealed in batches that follow on each other, each published once', async () => {
    await threeSeals();
    await append(2);
    expect(await verify()).toEqual({ intact: true, batches: 3, records: 12, unsealed: 2, faults: [] });
    const { rows } = await database.pool.query<{ hash_lote: string; hash_anterior: string }>(
      'SELECT hash_lote, hash_anterior FROM selos_auditoria ORDER BY lote',
    );
    expect(rows.map(({ hash_anterior }) => hash_anterior)).toEqual([
      '0'.repeat(64),
      rows[0]?.hash_lote,
      rows[1]?.hash_lote,
    ]);
    expect(await readdir(join(home, 'store/audit/seals'))).toHaveLength(3);
  });

  it('needs no seal where nothing was appended', async () => {
    expect(await seal()).toBe(0);
    await append(1);
    await seal();
    expect(await seal()).toBe(0);
    expect(await verify()).toMatchObject({ batches: 1, records: 1 });
  });

  it('is sealed in the order of numbers, not of their digits', async () => {
    await database.pool.query('ALTER TABLE trilha_auditoria ALTER COLUMN sequencia RESTART WITH 95');
    await database.pool.query(
      `INSERT INTO trilha_auditoria (quando, quem, acao, recurso) SELECT now(), 'x', 'y', 'z' FROM generate_series(1, 20)`,
    );
    await seal();
    const { rows } = await database.pool.query('SELECT sequencia_fim::int AS fim FROM selos_auditoria');
    expect(rows).toEqual([{ fim: 114 }]);
    expect(await verify()).toMatchObject({ intact: true, records: 20, unsealed: 0 });
  });

  it('is published by the next run where one was killed before it', async () => {
    await append(3);
    await transactionsOver(database.pool);
    const broken = { ...store.store, put: async () => Promise.reject(new Error('killed')) };
    await expect(
      sealAudit({ db: database.pool, keys, store: broken, clock: () => new Date() }),
    ).rejects.toThrow('killed');
    expect(await verify()).toMatchObject({
      intact: false,
      faults: [{ batch: 1, fault: 'the published seal is missing' }],
    });
    expect(await seal()).toBe(0);
    expect(await verify()).toMatchObject({ intact: true, records: 3 });
  });
});

describe('acts that are under way while the trail is sealed', () => {
  it('are in a later seal, however late they commit: no row slips in behind', async () => {
    const slow = new pg.Client({ connectionString: database.url });
    await slow.connect();
    await slow.query('BEGIN');
    await slow.query(
      `INSERT INTO trilha_auditoria (quando, quem, acao, recurso) VALUES (now(), 'slow', 'order.create', 'ord_slow')`,
    );
    await append(3);
    expect(await sealNow()).toBe(0);
    await slow.query('COMMIT');
    await slow.end();
    expect(await seal()).toBe(4);
    expect(await verify()).toMatchObject({ intact: true, records: 4, unsealed: 0 });
  });

  it('leave no gap, with many writers and several sealers at once', async () => {
    let writing = true;
    const sealer = async (): Promise<void> => {
      while (writing) await sealNow();
    };
    const writers = Promise.all(
      Array.from({ length: 4 }, (_, index) => append(40, `writer-${index}`)),
    ).finally(() => {
      writing = false;
    });
    await Promise.all([writers, sealer(), sealer()]);
    await seal();
    expect(await verify()).toMatchObject({ intact: true, records: 160, unsealed: 0, faults: [] });
  });
});

describe('it is noticed when', () => {
  const faultsOf = async (): Promise<AuditVerdict['faults']> => {
    const verdict = await verify();
    expect(verdict.intact).toBe(false);
    return verdict.faults;
  };

  beforeEach(threeSeals);

  it('a row was changed', async () => {
    await tamper(`UPDATE trilha_auditoria SET quem = 'joana' WHERE sequencia = 7`);
    expect(await faultsOf()).toEqual([{ batch: 2, fault: 'a row was changed after it was sealed' }]);
  });

  it('a row was removed', async () => {
    await tamper('DELETE FROM trilha_auditoria WHERE sequencia = 2');
    expect(await faultsOf()).toEqual([{ batch: 1, fault: 'expected 5 rows, found 4' }]);
  });

  it('a row was put among the sealed ones', async () => {
    await tamper(
      `INSERT INTO trilha_auditoria (transacao, quando, quem, acao, recurso)
       SELECT transacao, now(), 'x', 'y', 'z' FROM trilha_auditoria WHERE sequencia = 6`,
    );
    expect(await faultsOf()).toEqual([{ batch: 2, fault: 'expected 3 rows, found 4' }]);
  });

  it('the end of the table was cut off, and the seals with it', async () => {
    await tamper('DELETE FROM trilha_auditoria WHERE sequencia > 8');
    await tamper('DELETE FROM selos_auditoria WHERE lote = 3');
    expect(await faultsOf()).toEqual([
      { batch: 3, fault: 'the store has seal 3, the table ends at 2: its end was cut off' },
    ]);
  });

  it('a seal was removed', async () => {
    await tamper('DELETE FROM selos_auditoria WHERE lote = 2');
    expect(await faultsOf()).toEqual([
      { batch: 3, fault: 'expected seal 2 here: a seal is missing' },
      { batch: 3, fault: 'the chain is broken: it names another seal as the one before' },
      { batch: 3, fault: 'expected 4 rows, found 7' },
    ]);
  });

  it('a seal was replaced by one that another key signed', async () => {
    const others = await loadSigningKeys({ path: join(home, 'others.json'), createIfAbsent: true });
    await tamper('DELETE FROM selos_auditoria WHERE lote = 3');
    await tamper(`UPDATE trilha_auditoria SET quem = 'joana' WHERE sequencia > 8`);
    await transactionsOver(database.pool);
    await sealAudit({ db: database.pool, keys: others, store: store.store, clock: () => new Date() });
    const faults = await faultsOf();
    expect(faults).toHaveLength(1);
    expect(faults[0]?.fault).toContain('the signature does not hold');
  });

  it('rows and seals were made again with the right key: the published one is another', async () => {
    await tamper('DELETE FROM selos_auditoria WHERE lote = 3');
    await tamper(`UPDATE trilha_auditoria SET quem = 'joana' WHERE sequencia > 8`);
    await seal();
    expect(await faultsOf()).toEqual([{ batch: 3, fault: 'the published seal is another one' }]);
  });

  it('a published seal was altered or removed', async () => {
    const seals = join(home, 'store/audit/seals');
    const [first = '', second = ''] = (await readdir(seals)).toSorted();
    await writeFile(join(seals, first), `x${await readFile(join(seals, first), 'utf8')}`);
    await rm(join(seals, second));
    expect(await faultsOf()).toEqual([
      { batch: 1, fault: 'the published seal is another one' },
      { batch: 2, fault: 'the published seal is missing' },
    ]);
  });
});
