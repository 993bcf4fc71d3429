import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestLake, testLake } from '../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { startTrinoStandIn } from '../../test/services/trino.ts';
import { archivedOrdersDefinition, archivedOrdersTable } from '../archive/archive.ts';
import { parseConfig } from '../platform/config.ts';
import { openReportMaker } from './configured.ts';

let database: TestDatabase;
let lake: TestLake;
let home: string;
beforeAll(async () => {
  database = await testDatabase();
  lake = await testLake(database.pool);
  home = await mkdtemp(join(tmpdir(), 'lastro-configured-'));
});
afterAll(async () => {
  await lake.close();
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

const open = (env: NodeJS.ProcessEnv): ReturnType<typeof openReportMaker> =>
  openReportMaker({
    config: parseConfig({ LASTRO_HOME: home, ...env }),
    db: database.pool,
    store: lake.lake.store,
  });

describe('the engine of reports', () => {
  it('is refused at the start where its settings do not go together', () => {
    expect(() => open({ REPORT_ENGINE: 'trino' })).toThrow(/needs TRINO_URL/);
    expect(() => open({ REPORT_ENGINE: 'athena' })).toThrow(
      /store on S3 \(OBJECT_STORE=s3:\/\/…\).*found file:/,
    );
    expect(() => open({ REPORT_ENGINE: 'oracle' })).toThrow(/REPORT_ENGINE/);
  });

  it('is asked for the archive, and this process is not', async () => {
    await lake.create(archivedOrdersTable, archivedOrdersDefinition);
    const names = archivedOrdersDefinition.columns.map(({ name }) => name);
    const values = names.map((name) =>
      name.endsWith('_em') || name === 'data_criacao'
        ? `TIMESTAMPTZ '2026-01-31 10:00:00+00' AS ${name}`
        : name === 'versao'
          ? '1 AS versao'
          : name === 'cliente_participante_id'
            ? `['cli_1'] AS ${name}`
            : `'here' AS ${name}`,
    );
    await lake.add(archivedOrdersTable, `(SELECT ${values.join(', ')})`);
    const texts = { area_id: 'ARE01', ordem_id: 'ord_1', versao: '3', cliente_participante_id: '["cli_2"]' };
    const small = names.filter((name) => !/^(regras|metadados|notificacoes|logs_eventos)_/.test(name));
    const row = small.map((name) =>
      name in texts
        ? texts[name as keyof typeof texts]
        : name.endsWith('_em') || name === 'data_criacao'
          ? '2026-01-31 10:00:00.123456 UTC'
          : 'there',
    );
    const trino = await startTrinoStandIn((sql) =>
      sql.includes('count(*)')
        ? { columns: [{ name: 'n', type: 'bigint' }], pages: ['[[1]]'] }
        : { columns: small.map((name) => ({ name, type: 'varchar' })), pages: [JSON.stringify([row])] },
    );
    const maker = open({ REPORT_ENGINE: 'trino', TRINO_URL: trino.url });
    const { request } = maker.parse({
      kind: 'area-orders',
      parameters: { areaId: 'ARE01' },
      format: 'ndjson',
    });
    if (!request) throw new Error('expected a request');
    const made = await maker.produce(
      { request, viewer: { areas: 'all', clients: 'all', unmasked: true, scopes: [] }, asOf: new Date() },
      { folder: home, signal: new AbortController().signal },
    );
    await trino.close();
    expect(JSON.parse(await readFile(made.path, 'utf8'))).toMatchObject({
      ordem_id: 'ord_1',
      cliente_participante_id: ['cli_2'],
      data_criacao: '2026-01-31T10:00:00.123456Z',
      status_ordem: 'there',
      versao: 3,
    });
  });
});
