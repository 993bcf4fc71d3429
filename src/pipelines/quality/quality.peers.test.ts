import { afterAll, beforeAll } from 'vitest';
import { type TestLake, testLake } from '../../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { fillQualityTables, qualitySuite } from '../../../test/services/quality-suite.ts';
import { startTrinoServer, type TrinoServer } from '../../../test/services/trino-server.ts';
import { openTrinoEngine } from '../../lake/engines/trino.ts';

let database: TestDatabase;
let lake: TestLake;
let trino: TrinoServer;
beforeAll(async () => {
  database = await testDatabase();
  lake = await testLake(database.pool);
  await fillQualityTables(lake);
  trino = await startTrinoServer(database.url, lake.folder);
}, 1_800_000);
afterAll(async () => {
  await trino.stop();
  await lake.close();
  await database.drop();
});

qualitySuite('a real Trino', async () => openTrinoEngine({ url: trino.url, user: 'ana', catalog: 'lake' }));
