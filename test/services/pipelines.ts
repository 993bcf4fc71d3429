import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { allRows, openDuckDb, type RowObject } from '../../src/lake/duckdb-session.ts';
import { openDuckDbEngine } from '../../src/lake/engines/duckdb.ts';
import { openFileCache } from '../../src/lake/file-cache.ts';
import { planFiles, scanLocations, scanSql } from '../../src/lake/scan.ts';
import { findTable, type Lake, openLake } from '../../src/lake/tables.ts';
import type { Pipeline } from '../../src/pipelines/declaration.ts';
import type { PipelineDeps } from '../../src/pipelines/pipeline-deps.ts';
import { type PipelineRun, type RunOptions, runPipeline } from '../../src/pipelines/run.ts';
import type { HttpAnswer, HttpRequest } from '../../src/pipelines/transport.ts';
import { openDirectoryStore } from '../../src/platform/store/directory.ts';

/** An API of a test: what it says to a request. Throws what a transport throws. */
export type TestApi = (
  request: Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'>,
) => HttpAnswer | Promise<HttpAnswer>;

export const jsonAnswer = (value: unknown, status = 200): HttpAnswer =>
  rawAnswer(JSON.stringify(value), status);

export const rawAnswer = (text: string, status = 200, type = 'application/json'): HttpAnswer => ({
  status,
  headers: { 'content-type': type },
  body: Buffer.from(text),
});

export type PipelineRoom = {
  readonly deps: PipelineDeps;
  readonly lake: Lake;
  readonly folder: string;
  /** The test's clock: it stands until it is moved. */
  readonly setClock: (text: string) => void;
  readonly run: (
    pipeline: Pipeline,
    options?: Partial<RunOptions>,
    deps?: Partial<PipelineDeps>,
  ) => Promise<PipelineRun>;
  /** Rows of a table in their order, values as JSON; empty where there is no table. */
  readonly rows: (table: string, columns?: string) => Promise<RowObject[]>;
  readonly close: () => Promise<void>;
};

/** A lake in a temporary folder and what pipelines need, with a stand-in in place of the network. */
export const pipelineRoom = async (
  pool: Pool,
  {
    api,
    pipelines = [],
    at = '2024-01-10T02:00:00Z',
    folder: given,
  }: { api?: TestApi; pipelines?: readonly Pipeline[]; at?: string; folder?: string } = {},
): Promise<PipelineRoom> => {
  const folder = given ?? (await mkdtemp(join(tmpdir(), 'lastro-pipelines-')));
  const store = await openDirectoryStore(join(folder, 'store'));
  const lake = openLake({ store, catalog: jdbcCatalog({ db: pool }) });
  const files = await openFileCache({ store, folder: join(folder, 'cache'), maxBytes: 1e9 });
  const engine = openDuckDbEngine({ lake, cache: files });
  let now = Date.parse(at);
  const deps: PipelineDeps = {
    pool,
    lake,
    files,
    clock: () => new Date(now),
    env: {},
    send: async (request) => {
      if (!api) throw new Error(`no test API for ${request.url}`);
      return api(request);
    },
    engine: async () => engine,
    pipelines,
    stagingFolder: join(folder, 'staging'),
    sleep: async () => {},
  };
  const session = await openDuckDb({ temporaryParent: join(folder, 'reader') });
  return {
    deps,
    lake,
    folder,
    setClock: (text) => {
      now = Date.parse(text);
    },
    run: (pipeline, options = {}, changed = {}) =>
      runPipeline(
        { ...deps, pipelines: pipelines.length > 0 ? pipelines : [pipeline], ...changed },
        pipeline,
        {
          signal: new AbortController().signal,
          ...options,
        },
      ),
    rows: async (table, columns = '*') => {
      const found = await findTable(lake, table);
      if (!found) return [];
      const plan = await planFiles(lake, found);
      const held = await files.hold(scanLocations(plan));
      try {
        return await allRows(
          session.connection,
          `SELECT ${columns} FROM ${scanSql(plan, held.localPath)} ORDER BY ALL`,
        );
      } finally {
        held.release();
      }
    },
    close: async () => {
      await session.close();
      await engine.close();
      if (given === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
};
