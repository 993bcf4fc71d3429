import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { archivedOrdersDefinition, archivedOrdersTable, findOrderFiles } from '../archive/archive.ts';
import { type DuckSession, quoteName, quoteText } from '../lake/duckdb-session.ts';
import { duckType } from '../lake/duckdb-types.ts';
import type { LakeEngine } from '../lake/engines/engine.ts';
import { planFiles, type ScanPlan, scanLocations, scanSql } from '../lake/scan.ts';
import { assignIds, type Schema } from '../lake/schema.ts';
import { findTable, type Lake } from '../lake/tables.ts';
import type { OrderConditions } from './conditions.ts';
import type { CurrentOrders, ProduceDeps, ReportRequest, ReportViewer } from './contract.ts';
import { stageEngineOrders } from './engine-orders.ts';

let lastId = 0;

/** The columns of an order, archived or current. Both have the same. */
export const orderSchema: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: assignIds(archivedOrdersDefinition.columns, () => ++lastId),
};

const columnTypes = orderSchema.fields.map(({ name, type }) => ({
  name: quoteName(name),
  type: duckType(type),
}));
const names = columnTypes.map(({ name }) => name).join(', ');

/** All orders that may matter, as something that may stand behind FROM; rows are not filtered yet. */
export type OrderSource = {
  readonly relation: string;
  /** Files that the relation reads. */
  readonly files: readonly string[];
  readonly snapshotId: string | null;
  readonly release: () => void;
};

type SourceDeps = ProduceDeps & { readonly session: DuckSession };

export type SourceInput = {
  readonly request: ReportRequest;
  readonly viewer: ReportViewer;
  readonly conditions: OrderConditions;
  readonly withCurrent: boolean;
  /** Names of the columns that the report needs, beside those that choose orders. */
  readonly fields: readonly string[];
  /** Prefix of the lake's store for objects of this execution alone. */
  readonly scratch?: string | undefined;
  readonly signal: AbortSignal;
};

/**
 * Reads current orders first and then opens the newest snapshot of the archive: an order that is removed from the
 * operational store in between was archived before, so it is seen at least once; the other way round it could be
 * missed in both.
 */
export const openOrderSource = async (deps: SourceDeps, input: SourceInput): Promise<OrderSource> => {
  const current =
    input.withCurrent && deps.currentOrders
      ? await stageCurrentOrders(deps.session, deps.currentOrders, input)
      : null;
  const archive = await (deps.engine
    ? openOnEngine({ ...deps, engine: deps.engine }, input)
    : openHere(deps, input));
  const parts = [
    ...(archive.relation === null ? [] : [`SELECT ${names} FROM ${archive.relation}`]),
    ...(current ? [`SELECT ${names} FROM ${current}`] : []),
  ];
  return { ...archive, relation: `(${parts.length > 0 ? parts.join(' UNION ALL ') : noOrders})` };
};

/** Archived orders alone; `relation` is null where there can be none. */
type ArchiveSource = Omit<OrderSource, 'relation'> & { readonly relation: string | null };

/** The files of the archive that may matter, for DuckDB in this process. */
const openHere = async (deps: SourceDeps, input: SourceInput): Promise<ArchiveSource> => {
  const plan = await planArchive(deps, input);
  const locations = plan ? scanLocations(plan) : [];
  const held = await deps.files.hold(locations, input.signal);
  return {
    relation: plan ? scanSql(plan, held.localPath) : null,
    files: locations.map(held.localPath),
    snapshotId: plan?.snapshotId ?? null,
    release: held.release,
  };
};

/** What another engine has chosen, staged in the session's folder. */
const openOnEngine = async (
  { lake, session, engine }: SourceDeps & { engine: LakeEngine },
  { conditions, fields, scratch, signal }: SourceInput,
): Promise<ArchiveSource> => {
  const table = await findTable(lake, archivedOrdersTable);
  const place = scratch === undefined ? undefined : { store: lake.store, prefix: scratch };
  const chosen = table
    ? await stageEngineOrders(
        { engine, session, schema: orderSchema },
        { table, conditions, fields, scratch: place, signal },
      )
    : { relation: null, files: [], snapshotId: null };
  return { ...chosen, release: () => {} };
};

const noOrders = `SELECT ${columnTypes.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${name}`).join(', ')} WHERE false`;

const planArchive = async (
  { lake, files, session }: { lake: Lake; files: ProduceDeps['files']; session: DuckSession },
  { conditions, signal }: SourceInput,
): Promise<ScanPlan | null> => {
  const table = await findTable(lake, archivedOrdersTable);
  if (!table) return null;
  const [plan, mayHold] = await Promise.all([
    planFiles(lake, table, { filter: conditions.predicate }),
    conditions.keys.length > 0 ? findOrderFiles({ lake, files, session }, conditions.keys, signal) : null,
  ]);
  return mayHold ? { ...plan, files: plan.files.filter(({ file }) => mayHold(file.path)) } : plan;
};

/** Puts the current orders into a table of the session, through a file: they may be many. */
const stageCurrentOrders = async (
  session: DuckSession,
  currentOrders: CurrentOrders,
  { request, viewer, signal }: SourceInput,
): Promise<string> => {
  const { areaId, orderId } = request.parameters;
  const rows = currentOrders(
    {
      areas: areaId === undefined ? viewer.areas : [areaId],
      ...(orderId === undefined ? {} : { orderId }),
      ...(request.from === undefined ? {} : { from: new Date(request.from) }),
      ...(request.to === undefined ? {} : { to: new Date(request.to) }),
    },
    { signal },
  );
  const file = join(session.folder, 'current-orders.ndjson');
  const lines = async function* (): AsyncGenerator<string> {
    for await (const row of rows) yield `${JSON.stringify(row)}\n`;
  };
  await pipeline(Readable.from(lines()), createWriteStream(file), { signal });
  const columns = columnTypes.map(({ name, type }) => `${name}: ${quoteText(type)}`);
  await session.connection.run(
    `CREATE TEMP TABLE current_orders AS
     SELECT ${names} FROM read_json(${quoteText(file)}, format = 'newline_delimited', columns = {${columns.join(', ')}}, maximum_object_size = 33554432)`,
  );
  return 'current_orders';
};
