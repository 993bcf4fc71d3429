import type { DataFile } from '../lake/data-file.ts';
import { allRows, type DuckSession, quoteText } from '../lake/duckdb-session.ts';
import type { FileCache } from '../lake/file-cache.ts';
import { type RowValue, writeRows } from '../lake/parquet-rows.ts';
import {
  append,
  createTable,
  findTable,
  type Lake,
  type Table,
  type TableDefinition,
} from '../lake/tables.ts';
import { assertFence, type Fence } from '../platform/leases.ts';
import type { Window } from '../platform/ledger.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import { type Capture, sha256 } from './page-reader.ts';
import type { CadenceName, RangeRequest } from './windows.ts';

/** Columns of a bronze table, in order: one row for every answer, as it came. */
export const bronzeColumns: TableDefinition['columns'] = [
  {
    name: 'captura_id',
    type: 'string',
    required: true,
    doc: 'The same for the same answer at the same instant',
  },
  {
    name: 'conjunto_id',
    type: 'string',
    required: true,
    doc: 'The reading of the window that it belongs to',
  },
  { name: 'cadencia', type: 'string', required: true, doc: 'daily, hourly or full' },
  { name: 'janela_de', type: 'timestamptz', required: true },
  { name: 'janela_ate', type: 'timestamptz', required: true },
  { name: 'fatia', type: 'string', required: true, doc: 'Fixed values of the request, JSON' },
  { name: 'pedido_de', type: 'timestamptz', required: true, doc: 'Range that was asked for' },
  { name: 'pedido_ate', type: 'timestamptz', required: true },
  { name: 'pagina', type: 'int', required: true, doc: 'From 0' },
  { name: 'metodo', type: 'string', required: true },
  { name: 'endereco', type: 'string', required: true },
  { name: 'cabecalhos_enviados', type: 'string', required: true, doc: 'JSON; secrets by name' },
  { name: 'status', type: 'int', doc: 'Null: there was no answer' },
  { name: 'cabecalhos', type: 'string', required: true, doc: 'Those that matter, JSON' },
  { name: 'obtido_em', type: 'timestamptz', required: true },
  { name: 'duracao_ms', type: 'int', required: true },
  { name: 'corpo', type: 'binary', required: true, doc: 'The body, byte by byte' },
  { name: 'hash_corpo', type: 'string', required: true, doc: 'SHA-256' },
  { name: 'registros', type: 'int', doc: 'Records in it' },
  { name: 'recusada', type: 'string', doc: 'Why it was not taken for an answer; null: it was' },
  { name: 'detalhe', type: 'string' },
];

export const bronzeTable = (pipeline: string): string => `bronze.${pipeline}`;

/** The table, made where it is missing. */
export const ensureBronze = async (lake: Lake, pipeline: string): Promise<Table> => {
  const name = bronzeTable(pipeline);
  return (
    (await findTable(lake, name)) ??
    (await createTable(lake, name, {
      columns: bronzeColumns,
      partitionBy: [{ column: 'obtido_em', transform: 'day' }],
      properties: { 'write.target-file-size-bytes': String(512 * 1024 * 1024) },
    }))
  );
};

/** A capture with its place in the set. */
export type PlacedCapture = {
  readonly captureId: string;
  readonly request: number;
  readonly range: RangeRequest;
  readonly capture: Capture;
};

export const captureIdOf = (pipeline: string, { requestHash, bodyHash, fetchedAt, page }: Capture): string =>
  `cap_${sha256(`${pipeline} ${requestHash} ${page} ${fetchedAt.toISOString()} ${bodyHash}`).slice(0, 32)}`;

export type SetFacts = Window & {
  readonly pipeline: string;
  readonly setId: string;
  readonly cadence: CadenceName;
};

const micros = (at: Date): bigint => BigInt(at.getTime()) * 1000n;

const dayOf = (at: Date): number => Math.floor(at.getTime() / 86_400_000);

/** In the order of `bronzeColumns`. */
const toRow = (
  { setId, cadence, from, to }: SetFacts,
  { captureId, range, capture }: PlacedCapture,
): RowValue[] => [
  ...[captureId, setId, cadence, micros(from), micros(to)],
  ...[JSON.stringify(range.slice), micros(range.from), micros(range.to), capture.page],
  ...[capture.method, capture.address, JSON.stringify(capture.sent)],
  ...[capture.status, JSON.stringify(capture.headers), micros(capture.fetchedAt), capture.ms],
  ...[capture.body, capture.bodyHash, capture.records, capture.refused, capture.detail],
];

/**
 * Writes captures as Parquet files of bronze. Nothing is visible before a commit. The files lie by day of fetching,
 * so there is more than one only around midnight.
 */
export const writeBronze = async (
  { store }: Pick<Lake, 'store'>,
  table: Table,
  facts: SetFacts,
  captures: readonly PlacedCapture[],
): Promise<{ files: DataFile[]; fileOf: (capture: Capture) => string }> => {
  const files = new Map<number, DataFile>();
  for (const day of new Set(captures.map(({ capture }) => dayOf(capture.fetchedAt)))) {
    const rows = captures
      .filter(({ capture }) => dayOf(capture.fetchedAt) === day)
      .map((capture) => toRow(facts, capture));
    files.set(day, await writeRows(store, table, rows, [day]));
  }
  return {
    files: [...files.values()],
    fileOf: ({ fetchedAt }) => {
      const path = files.get(dayOf(fetchedAt))?.path;
      if (path === undefined) throw new Error(`no bronze file was written for ${fetchedAt.toISOString()}`);
      return path;
    },
  };
};

/**
 * For each request that was answered before with the same body: the capture whose bronze row has it. The body need
 * not be kept twice, and silver need not be asked whether it changes anything.
 */
export const findSame = async (
  db: Db,
  pipeline: string,
  captures: readonly PlacedCapture[],
): Promise<Map<string, string>> => {
  const taken = captures.filter(({ capture }) => capture.refused === null);
  const found = await db.query<{ request_hash: string; body_hash: string; body_of: string }>(
    `SELECT w.request_hash, c.body_hash, c.body_of FROM unnest($2::text[]) AS w (request_hash)
     CROSS JOIN LATERAL (
       SELECT body_hash, coalesce(same_as, capture_id) AS body_of FROM pipeline_captures
       WHERE pipeline = $1 AND request_hash = w.request_hash AND refused IS NULL
       ORDER BY fetched_at DESC, capture_id LIMIT 1) c`,
    [pipeline, [...new Set(taken.map(({ capture }) => capture.requestHash))]],
  );
  const last = new Map(found.rows.map((row) => [`${row.request_hash} ${row.body_hash}`, row.body_of]));
  const same = new Map<string, string>();
  for (const { captureId, capture } of taken) {
    const bodyOf = last.get(`${capture.requestHash} ${capture.bodyHash}`);
    if (bodyOf !== undefined) same.set(captureId, bodyOf);
  }
  return same;
};

/** The commit of bronze: the answers and their index, with whatever else the caller's transaction does. */
export const commitBronze = async (
  lake: Lake,
  tx: Tx,
  {
    fence,
    facts,
    captures,
    same,
    written,
    commitId,
  }: {
    fence: Fence;
    facts: SetFacts;
    captures: readonly PlacedCapture[];
    same: ReadonlyMap<string, string>;
    written: Awaited<ReturnType<typeof writeBronze>> | undefined;
    commitId: string;
  },
): Promise<void> => {
  await assertFence(tx, fence);
  if (written && written.files.length > 0) {
    await append(lake, bronzeTable(facts.pipeline), { add: written.files }, { tx, commitId });
  }
  const rows = captures.map(({ captureId, request, range, capture }) => ({
    capture_id: captureId,
    request,
    page: capture.page,
    request_hash: capture.requestHash,
    slice: range.slice,
    range_from: range.from,
    range_to: range.to,
    fetched_at: capture.fetchedAt,
    status: capture.status,
    body_hash: capture.bodyHash,
    bytes: capture.body.length,
    records: capture.records,
    refused: capture.refused,
    file: same.has(captureId) ? null : written?.fileOf(capture),
    same_as: same.get(captureId) ?? null,
  }));
  await tx.query(
    `INSERT INTO pipeline_captures (pipeline, set_id, capture_id, request, page, request_hash, slice, range_from, range_to,
       fetched_at, status, body_hash, bytes, records, refused, file, same_as)
     SELECT $1, $2, r.* FROM jsonb_to_recordset($3::jsonb) AS r (capture_id text, request int, page int, request_hash text,
       slice jsonb, range_from timestamptz, range_to timestamptz, fetched_at timestamptz, status int, body_hash text,
       bytes bigint, records int, refused text, file text, same_as text)`,
    [facts.pipeline, facts.setId, JSON.stringify(rows)],
  );
};

/** The bodies of the captures that lie in one bronze file, by the capture's id. */
export const readBodies = async (
  { session, files }: { session: DuckSession; files: FileCache },
  location: string,
  captureIds: readonly string[],
): Promise<Map<string, Uint8Array>> => {
  const held = await files.hold([location]);
  try {
    const list = captureIds.map(quoteText).join(', ');
    const reader = await session.connection.runAndReadAll(
      `SELECT captura_id, corpo FROM read_parquet(${quoteText(held.localPath(location))}) WHERE captura_id IN (${list})`,
    );
    return new Map(
      reader.getRows().map(([id, body]) => {
        const bytes = typeof body === 'object' && body !== null && 'bytes' in body ? body.bytes : undefined;
        if (!(bytes instanceof Uint8Array)) throw new Error(`${location}: ${String(id)} has no body`);
        return [String(id), bytes] as const;
      }),
    );
  } finally {
    held.release();
  }
};

/** What bronze says of one capture, for people: everything but the body. */
export const showCapture = async (
  { session, files }: { session: DuckSession; files: FileCache },
  location: string,
  captureId: string,
) => {
  const held = await files.hold([location]);
  try {
    const [row] = await allRows(
      session.connection,
      `SELECT * EXCLUDE (corpo) FROM read_parquet(${quoteText(held.localPath(location))}) WHERE captura_id = ${quoteText(captureId)}`,
    );
    return row;
  } finally {
    held.release();
  }
};
