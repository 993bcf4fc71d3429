import { join } from 'node:path';
import { consolidate, type FaultPoint } from '../../src/consolidate/consolidate.ts';
import { openSource } from '../../src/consolidate/source.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { openFileCache } from '../../src/lake/file-cache.ts';
import { openLake } from '../../src/lake/tables.ts';
import { openPool } from '../../src/platform/postgres.ts';
import { openDirectoryStore } from '../../src/platform/store/directory.ts';
import { crashDomains, crashLimits } from './consolidate-inputs.ts';

// A consolidation that kills its own process: <database url> <room's folder> <fault point> <which time>
const [url = '', folder = '', dieAt, nth] = process.argv.slice(2);
const pool = openPool({ url });
const store = await openDirectoryStore(join(folder, 'store'));
let met = 0;
await consolidate(
  {
    pool,
    lake: openLake({ store, catalog: jdbcCatalog({ db: pool }) }),
    files: await openFileCache({ store, folder: join(folder, 'cache'), maxBytes: 1e9 }),
    clock: () => new Date(Date.UTC(2026, 10, 22, 12)),
    stagingFolder: join(folder, 'staging'),
    limits: crashLimits,
    domains: crashDomains,
    feedbackTopic: 'lake',
    fault: (point: FaultPoint) => {
      if (point === dieAt && ++met === Number(nth)) process.kill(process.pid, 'SIGKILL');
    },
  },
  { source: await openSource(join(folder, 'inbox'), { region: 'sa-east-1' }), table: 'kconnect.events' },
);
await pool.end();
