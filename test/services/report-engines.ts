import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeArchivedOrders } from '../../sandbox/archived-orders.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { allRows, type DuckSession, openDuckDb } from '../../src/lake/duckdb-session.ts';
import { openAthenaEngine } from '../../src/lake/engines/athena.ts';
import type { LakeEngine } from '../../src/lake/engines/engine.ts';
import { openTrinoEngine } from '../../src/lake/engines/trino.ts';
import { openFileCache } from '../../src/lake/file-cache.ts';
import { planFiles, scanLocations, scanSql } from '../../src/lake/scan.ts';
import { type Lake, loadTable, openLake } from '../../src/lake/tables.ts';
import { openS3Store } from '../../src/platform/store/s3.ts';
import type { Store } from '../../src/platform/store/store.ts';
import type { ProduceDeps } from '../../src/reports/contract.ts';
import { type AthenaStandIn, startAthenaStandIn } from './athena.ts';
import { openPlayedEngine, type PlayedEngine, playAthena, playTrino } from './played-engine.ts';
import { type TestDatabase, testDatabase } from './postgres.ts';
import type { SourceRow } from './report-oracle.ts';
import { startPlainS3 } from './s3.ts';
import { startTrinoStandIn, type TrinoStandIn } from './trino.ts';

export type ReportEngineRoom = {
  readonly database: TestDatabase;
  readonly folder: string;
  readonly store: Store;
  readonly lake: Lake;
  readonly session: DuckSession;
  readonly deps: ProduceDeps;
  readonly played: PlayedEngine;
  readonly trino: TrinoStandIn;
  readonly athena: AthenaStandIn;
  /** Clients of the two; Athena's unloads answers of more rows than this. */
  readonly openTrino: () => LakeEngine;
  readonly openAthena: (mostPagedRows?: number) => LakeEngine;
  /** Spoils the next UNLOAD: an object less than the manifest says, or a row less than was counted. */
  readonly spoilUnload: (how: 'file' | 'row') => void;
  readonly rows: () => Promise<SourceRow[]>;
  readonly close: () => Promise<void>;
};

/** Archived orders in a lake on S3, and Trino and Athena played over it. */
export const openReportEngineRoom = async (): Promise<ReportEngineRoom> => {
  const database = await testDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'lastro-report-engines-'));
  const s3 = await startPlainS3();
  const { region, endpoint, credentials } = s3;
  const opened = openS3Store('s3://desk/lake', { region, endpoint, credentials });
  const { store } = opened;
  const lake = openLake({ store, catalog: jdbcCatalog({ db: database.pool }) });
  const files = await openFileCache({ store, folder: join(folder, 'cache'), maxBytes: 1e9 });
  const session = await openDuckDb({ temporaryParent: join(folder, 'duckdb') });
  await makeArchivedOrders({ lake, session, files }, { count: 300, months: 3, areas: 3, hostileEvery: 5 });
  const played = await openPlayedEngine({ lake, files }, folder);
  const trino = await startTrinoStandIn(playTrino(played));
  let spoilt: 'file' | 'row' | undefined;
  let writes = 0;

  const unload = async (query: string, literals: readonly string[], to: string, answers: string) => {
    const parts = [0, 1, 2].map((n) => join(folder, `unloaded-${writes}-${n}.parquet`));
    writes += 1;
    await played.write(spoilt === 'row' ? `SELECT * FROM (${query}) LIMIT 1` : query, literals, parts);
    const keys = parts.map((_, n) => `${to.slice(store.url.length + 1)}20261125_${n}_part`);
    for (const [n, part] of parts.entries()) {
      if (spoilt === 'file' && n === 1) continue;
      await store.put(keys[n] ?? '', await readFile(part));
    }
    spoilt = undefined;
    const manifest = `${answers}${writes}-manifest.csv`;
    const names = keys.map((key) => `${store.url}/${key}\n`).join('');
    await store.put(manifest.slice(store.url.length + 1), names);
    return { manifest };
  };

  const athena = await startAthenaStandIn(async (sql, { parameters, outputLocation }) => {
    const found =
      /^UNLOAD \((.*)\n\) TO '(s3:[^']+\/)' WITH \(format = 'PARQUET', compression = 'SNAPPY'\)$/s.exec(sql);
    if (found) {
      const to = found[2] ?? '';
      const there = await Array.fromAsync(store.list(to.slice(store.url.length + 1)));
      if (there.length > 0) return { failure: 'HIVE_PATH_ALREADY_EXISTS: the target is not empty' };
      return unload(found[1] ?? '', parameters, to, outputLocation);
    }
    // Athena keeps the answer of every SELECT as an object.
    if (outputLocation !== '')
      await store.put(`${outputLocation.slice(store.url.length + 1)}${writes++}.csv`, 'an answer');
    return { ...(await playAthena(played, sql, parameters)), pageSize: 40 };
  });

  return {
    ...{ database, folder, store, lake, session, played, trino, athena },
    deps: { lake, files, limits: { temporaryParent: join(folder, 'reports') } },
    openTrino: () => openTrinoEngine({ url: trino.url, user: 'ana', catalog: 'lake' }),
    openAthena: (mostPagedRows) =>
      openAthenaEngine({
        client: { region, endpoint: athena.url, credentials },
        workGroup: 'lastro',
        pollMs: 2,
        ...(mostPagedRows === undefined ? {} : { mostPagedRows }),
      }),
    spoilUnload: (how) => {
      spoilt = how;
    },
    rows: async () => {
      const plan = await planFiles(lake, await loadTable(lake, 'ordens.ordens_arquivadas'));
      const held = await files.hold(scanLocations(plan));
      const sql = `SELECT * REPLACE (epoch_ms(data_criacao)::DOUBLE AS data_criacao, epoch_ms(arquivado_em)::DOUBLE AS arquivado_em) FROM ${scanSql(plan, held.localPath)}`;
      const rows = (await allRows(session.connection, sql)) as unknown as SourceRow[];
      held.release();
      return rows;
    },
    close: async () => {
      await trino.close();
      await athena.close();
      await played.close();
      await session.close();
      await opened.close();
      await s3.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
