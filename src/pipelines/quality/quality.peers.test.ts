import { afterAll, beforeAll } from 'vitest';
import { type TestLake, testLake } from '../../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { fillQualityTables, qualitySuite, qualityTables } from '../../../test/services/quality-suite.ts';
import { startTrinoServer, type TrinoServer } from '../../../test/services/trino-server.ts';
import { openTrinoEngine } from '../../lake/engines/trino.ts';
import { loadTable } from '../../lake/tables.ts';

let database: TestDatabase;
let lake: TestLake;
let trino: TrinoServer;
beforeAll(async () => {
  database = await testDatabase();
  lake = await testLake(database.pool);
  await fillQualityTables(lake);
  trino = await startTrinoServer();
  for (const table of qualityTables) await trino.register(await loadTable(lake.lake, table));
}, 1_800_000);
afterAll(async () => {
  await trino.stop();
  await lake.close();
  await database.drop();
});

qualitySuite('a real Trino', async () => openTrinoEngine({ url: trino.url, user: 'ana', catalog: 'lake' }));
