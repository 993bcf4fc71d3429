import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { DataFile, LiveFile } from '../lake/data-file.ts';
import { copyOptions, importDataFile, projectToTable, type WriterDeps } from '../lake/data-writer.ts';
import { allRows, quoteText } from '../lake/duckdb-session.ts';
import type { FileCache } from '../lake/file-cache.ts';
import type { Condition } from '../lake/predicate.ts';
import { compactTable, deleteRows } from '../lake/rewrite.ts';
import { planFiles, type ScanFile, type ScanPlan, scanLocations, scanSql } from '../lake/scan.ts';
import {
  append,
  type CommitOptions,
  type Committed,
  createTable,
  dropTable,
  findTable,
  type Lake,
  type Table,
  type TableDefinition,
  TableExistsError,
} from '../lake/tables.ts';
import { archivedOrdersTable } from './archived-orders.ts';

/** Which files of the archive hold an order, a contract, a client. */
export const orderLookupTable = 'ordens.ordens_arquivadas_busca';

/**
 * One row for each key in each data file of the archive, and one of `tipo` `arquivo` for each file that was read
 * whole. A data file never changes, so a row is true for ever; a file without its `arquivo` row is simply not known
 * yet and has to be searched. That is why this table may be absent, late or behind a compaction, and no report gets
 * shorter by it. (Keys to month and area, as an index by content, could not tell "not there" from "not indexed".)
 *
 * `chave` is a hash of 32 bits: two keys that share one cost a file that is searched in vain, and rows of some five
 * bytes keep the table small beside the archive.
 */
export const orderLookupDefinition: TableDefinition = {
  columns: [
    { name: 'tipo', type: 'string', required: true },
    { name: 'chave', type: 'int', doc: 'Hash of the key; null for `arquivo`' },
    { name: 'arquivo', type: 'string', required: true, doc: 'Location of the data file' },
  ],
  partitionBy: [{ column: 'tipo', transform: 'identity' }],
  sortBy: [{ column: 'chave' }],
};

export const orderKeyKinds = ['ordem', 'contrato', 'requisitante', 'participante'] as const;
export type OrderKeyKind = (typeof orderKeyKinds)[number];
export type OrderKey = { readonly kind: OrderKeyKind; readonly value: string };

export type LookupDeps = WriterDeps & { readonly lake: Lake; readonly files: FileCache };

/** The lookup's table; made where there is none. */
export const openOrderLookup = async (lake: Lake): Promise<Table> => {
  const found = await findTable(lake, orderLookupTable);
  if (found) return found;
  try {
    return await createTable(lake, orderLookupTable, orderLookupDefinition);
  } catch (error) {
    const other = error instanceof TableExistsError ? await findTable(lake, orderLookupTable) : null;
    if (!other) throw error;
    return other;
  }
};

/**
 * Writes the lookup's rows of data files that are in the archive or about to be. Nothing is visible before
 * `appendOrderLookup`, best in the same transaction as the archive's own commit; a crash between the two costs time
 * in reports until `refreshOrderLookup`, never rows.
 */
export const writeOrderLookup = async (
  deps: LookupDeps,
  archive: Table,
  data: readonly DataFile[],
): Promise<DataFile[]> => {
  const plan = await planFiles(deps.lake, archive, { filter: [{ column: 'area_id', op: 'in', values: [] }] });
  const files = data.map((file) => ({ file: asLive(file), deletes: [] }));
  return writeRows(deps, { ...plan, files });
};

const asLive = (file: DataFile): LiveFile => ({
  ...file,
  sequenceNumber: 0,
  fileSequenceNumber: 0,
  snapshotId: '0',
});

/** Makes the rows of `writeOrderLookup` visible. */
export const appendOrderLookup = (
  lake: Lake,
  add: readonly DataFile[],
  options: CommitOptions = {},
): Promise<Committed> => append(lake, orderLookupTable, { add }, options);

const keyColumns: { readonly [Kind in OrderKeyKind]: string } = {
  ordem: 'ordem_id',
  contrato: 'contrato_id',
  requisitante: 'cliente_requisitante_id',
  participante: 'unnest(cliente_participante_id)',
};

// MD5 because every engine has it and DuckDB's own hash may change between versions; it guards nothing here.
const hashSql = (key: string): string => `CAST((md5_number(${key}) >> 96)::BIGINT - 2147483648 AS INTEGER)`;

const hashOf = (key: string): number => createHash('md5').update(key).digest().readUInt32LE(12) - 2147483648;

/** Files whose keys are read by one statement. */
const filesAtOnce = 32;

/** Of the lookup's own files: one holds the files that are known, each other one a kind of key. */
const fileKinds = ['arquivo', ...orderKeyKinds];

/**
 * The lookup's rows of a plan's files, one file for each kind of key. What is kept and sorted are nine bytes a row: the
 * kind, the hash, and a number for the file instead of its location.
 */
const writeRows = async (deps: LookupDeps, plan: ScanPlan): Promise<DataFile[]> => {
  if (plan.files.length === 0) return [];
  const lookup = await openOrderLookup(deps.lake);
  const connection = await deps.session.connect();
  const folder = await mkdtemp(join(deps.session.folder, 'lookup-'));
  try {
    const types = `ENUM (${fileKinds.map(quoteText).join(', ')})`;
    await connection.run(`CREATE TEMP TABLE lookup_keys (tipo ${types}, chave INTEGER, arquivo INTEGER)`);
    for (let first = 0; first < plan.files.length; first += filesAtOnce) {
      await collectKeys({ ...deps, connection }, plan, first);
    }
    const paths = `[${plan.files.map(({ file }) => quoteText(file.path)).join(', ')}]`;
    const written: DataFile[] = [];
    for (const tipo of fileKinds) {
      const path = join(folder, `${tipo}.parquet`);
      const rows = `(SELECT chave, arquivo FROM lookup_keys WHERE tipo = ${quoteText(tipo)} ORDER BY chave, arquivo)`;
      const copied = await connection.run(
        `COPY (${projectToTable(lookup, `(SELECT ${quoteText(tipo)} AS tipo, chave, (${paths})[arquivo + 1] AS arquivo FROM ${rows})`)})
           TO ${quoteText(path)} (${copyOptions(lookup)})`,
      );
      if (Number((await copied.getRows())[0]?.[0]) === 0) continue;
      const session = { ...deps.session, connection };
      written.push(await importDataFile({ ...deps, session }, lookup, path, { partition: [tipo] }));
    }
    return written;
  } finally {
    connection.closeSync();
    await rm(folder, { recursive: true, force: true });
  }
};

/** Adds to `lookup_keys` what files from the one at `first` on hold; `arquivo` is a file's place in the plan. */
const collectKeys = async (
  { files, connection }: LookupDeps & { connection: DuckDBConnection },
  plan: ScanPlan,
  first: number,
): Promise<void> => {
  const batch = plan.files.slice(first, first + filesAtOnce);
  const held = await files.hold(scanLocations({ ...plan, files: batch }));
  try {
    const orders = batch.map(
      (file, at) =>
        `SELECT ${first + at} AS arquivo, ordem_id, contrato_id, cliente_requisitante_id, cliente_participante_id
           FROM ${scanSql({ ...plan, files: [file] }, held.localPath)}`,
    );
    const keys = orderKeyKinds.map(
      (kind) =>
        `SELECT ${quoteText(kind)} AS tipo, ${hashSql('k')} AS chave, arquivo
           FROM (SELECT ${keyColumns[kind]} AS k, arquivo FROM orders) WHERE k IS NOT NULL`,
    );
    await connection.run(
      `INSERT INTO lookup_keys
         WITH orders AS MATERIALIZED (${orders.join(' UNION ALL ')})
         SELECT DISTINCT tipo, chave, arquivo FROM (${keys.join(' UNION ALL ')})
         UNION ALL
         SELECT 'arquivo', NULL, unnest(range(${first}, ${first + batch.length}))`,
    );
  } finally {
    held.release();
  }
};

/** Whether a data file of the archive may hold an order with these keys. True for files that the lookup lacks. */
export type MayHold = (path: string) => boolean;

/**
 * Asks the lookup for the files in which, for each clause, at least one of its keys occurs. Null where there is no
 * lookup.
 */
export const findOrderFiles = async (
  { lake, files, session }: Pick<LookupDeps, 'lake' | 'files' | 'session'>,
  clauses: readonly (readonly OrderKey[])[],
  signal?: AbortSignal,
): Promise<MayHold | null> => {
  const table = await findTable(lake, orderLookupTable);
  if (!table) return null;
  const hashed = clauses.map((clause) => clause.map(({ kind, value }) => ({ kind, hash: hashOf(value) })));
  const wanted = hashed.flat();
  const keyFilter: Condition[] = [
    { column: 'tipo', op: 'in', values: [...new Set(wanted.map(({ kind }) => kind))] },
    { column: 'chave', op: 'in', values: [...new Set(wanted.map(({ hash }) => hash))] },
  ];
  const [known, keyed] = await Promise.all([
    planFiles(lake, table, { filter: [{ column: 'tipo', op: '=', value: 'arquivo' }] }),
    planFiles(lake, table, { filter: keyFilter }),
  ]);
  const held = await files.hold([...scanLocations(known), ...scanLocations(keyed)], signal);
  try {
    // Without a key (only files that are not known are asked for) the list must not be empty: SQL has no `IN ()`.
    const hashes = [...new Set(wanted.map(({ hash }) => hash))].join(', ') || 'NULL';
    const rows = await allRows(
      session.connection,
      `SELECT tipo, NULL AS chave, arquivo FROM ${scanSql(known, held.localPath)} WHERE tipo = 'arquivo'
       UNION ALL
       SELECT tipo, chave, arquivo FROM ${scanSql(keyed, held.localPath)} WHERE ${hashes === '' ? 'false' : `chave IN (${hashes})`}`,
    );
    const covered = new Set(rows.flatMap((row) => (row.tipo === 'arquivo' ? [String(row.arquivo)] : [])));
    const placed = new Set(rows.map((row) => `${row.tipo} ${row.chave} ${row.arquivo}`));
    return (path) =>
      !covered.has(path) ||
      hashed.every((clause) => clause.some(({ kind, hash }) => placed.has(`${kind} ${hash} ${path}`)));
  } finally {
    held.release();
  }
};

export type Refreshed = { readonly files: number; readonly rows: number };

/** Rows after which a refresh commits what it has: a stop costs no more than that. */
const rowsAtOnce = 5_000_000;

/** Fewer small files of a kind of key are not worth joining. */
const joinedFiles = 8;

/**
 * Makes the lookup smaller and quicker: the rows of files that left the archive go (in one commit, a file's `arquivo`
 * row with its keys, so that no file can seem to be known without them), then small files are joined. Safe to stop.
 */
export const tidyOrderLookup = async (deps: LookupDeps): Promise<{ gone: number; joined: number }> => {
  const [archive, lookup] = [
    await findTable(deps.lake, archivedOrdersTable),
    await findTable(deps.lake, orderLookupTable),
  ];
  if (!archive || !lookup) return { gone: 0, joined: 0 };
  const live = new Set((await planFiles(deps.lake, archive)).files.map(({ file }) => file.path));
  const gone = (await knownFiles(deps, lookup)).filter((path) => !live.has(path));
  if (gone.length > 0)
    await deleteRows(deps, orderLookupTable, [{ column: 'arquivo', op: 'in', values: gone }]);
  const { filesBefore } = await compactTable(deps, orderLookupTable, {
    worth: (files) => files.length >= joinedFiles,
  });
  return { gone: gone.length, joined: filesBefore };
};

/** Data files whose keys the lookup has. */
const knownFiles = async (
  { lake, files, session }: Pick<LookupDeps, 'lake' | 'files' | 'session'>,
  lookup: Table,
): Promise<string[]> => {
  const plan = await planFiles(lake, lookup, { filter: [{ column: 'tipo', op: '=', value: 'arquivo' }] });
  const held = await files.hold(scanLocations(plan));
  try {
    const sql = `SELECT arquivo FROM ${scanSql(plan, held.localPath)} WHERE tipo = 'arquivo'`;
    return (await allRows(session.connection, sql)).map((row) => String(row.arquivo));
  } finally {
    held.release();
  }
};

/**
 * Adds what the lookup lacks: files of the archive that were compacted, restored or written by another engine. With
 * `rebuild` it begins anew, which also drops the rows of files that left. Safe to stop and to run again; reports
 * search the files that are missing meanwhile.
 */
export const refreshOrderLookup = async (
  deps: LookupDeps,
  options: {
    rebuild?: boolean;
    signal?: AbortSignal;
    onProgress?: (done: { files: number; of: number }) => void;
  } = {},
): Promise<Refreshed> => {
  const archive = await findTable(deps.lake, archivedOrdersTable);
  if (!archive) return { files: 0, rows: 0 };
  if (options.rebuild && (await findTable(deps.lake, orderLookupTable))) {
    await dropTable(deps.lake, orderLookupTable);
  }
  await openOrderLookup(deps.lake);
  const plan = await planFiles(deps.lake, archive);
  // No key at all: only files that are not known may hold it.
  const mayHold = await findOrderFiles(deps, [[]], options.signal);
  const missing = plan.files.filter(({ file }) => mayHold?.(file.path) ?? true);
  let rows = 0;
  for (let at = 0; at < missing.length; ) {
    options.signal?.throwIfAborted();
    const batch: ScanFile[] = [];
    for (let records = 0; records < rowsAtOnce && at < missing.length; at++) {
      const file = missing[at] as ScanFile;
      batch.push(file);
      records += file.file.records;
    }
    const add = await writeRows(deps, { ...plan, files: batch });
    await appendOrderLookup(deps.lake, add);
    rows += add.reduce((sum, file) => sum + file.records, 0);
    options.onProgress?.({ files: at, of: missing.length });
  }
  return { files: missing.length, rows };
};
