import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { makeArchivedOrders } from '../../sandbox/archived-orders.ts';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import type { SourceRow } from '../../test/services/report-oracle.ts';
import { reportEngineSuite } from '../../test/services/report-suite.ts';
import { startTrinoServer, type TrinoServer } from '../../test/services/trino-server.ts';
import { openTrinoEngine } from '../lake/engines/trino.ts';
import { openFileCache } from '../lake/file-cache.ts';
import type { ProduceDeps } from './contract.ts';

let workshop: LakeWorkshop;
let trino: TrinoServer;
let deps: ProduceDeps;
beforeAll(async () => {
  workshop = await openLakeWorkshop();
  const { lake, session } = workshop;
  const files = await openFileCache({ store: lake.store, folder: '', maxBytes: 0 });
  await makeArchivedOrders({ lake, session, files }, { count: 300, months: 3, areas: 3, hostileEvery: 5 });
  trino = await startTrinoServer(workshop.database.url, workshop.folder);
  const engine = openTrinoEngine({ url: trino.url, user: 'ana', catalog: 'lake' });
  deps = { lake, files, engine, limits: { temporaryParent: join(workshop.folder, 'reports') } };
}, 1_800_000);
afterAll(async () => {
  await deps?.engine?.close();
  await trino?.stop();
  await workshop.close();
});

reportEngineSuite('a real Trino', async () => ({
  deps,
  folder: workshop.folder,
  rows: (await workshop.rows(
    'ordens.ordens_arquivadas',
    {},
    'SELECT * REPLACE (epoch_ms(data_criacao)::DOUBLE AS data_criacao, epoch_ms(arquivado_em)::DOUBLE AS arquivado_em) FROM t',
  )) as unknown as SourceRow[],
}));
