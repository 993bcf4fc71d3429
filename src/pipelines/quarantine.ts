import type { DataFile } from '../lake/data-file.ts';
import { writeDataFiles } from '../lake/data-writer.ts';
import { allRows, quoteText } from '../lake/duckdb-session.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import { findTable, type Table } from '../lake/tables.ts';
import type { Tx } from '../platform/postgres.ts';
import { bodiesOf } from './bodies.ts';
import type { Pipeline } from './declaration.ts';
import { jsonText, listAt, parseExactly, textOf } from './records.ts';
import { type CaptureSet, capturesOf } from './sets.ts';
import type { SilverDeps } from './silver.ts';
import { quarantineTable } from './silver-tables.ts';

/** Quarantine of a run, in the store but in no table yet. */
export type WrittenQuarantine = {
  readonly add: readonly DataFile[];
  /** Faults that are new. */
  readonly fresh: number;
  /** Ids whose fault is gone, and ids that are at fault (again). Only of a rebuild, which sees every record. */
  readonly replayed: readonly string[];
  readonly faulty: readonly string[];
};

const idSql = `'q_' || left(sha256(concat_ws('|', l.registro, coalesce(v.coluna, ''), v.motivo)), 24)`;

/**
 * Writes what is in `violacoes` as rows of the quarantine, each with its record as it came. A fault of a record that
 * is there already is not kept twice, however often the API repeats it.
 */
export const writeQuarantine = async (
  deps: SilverDeps,
  pipeline: Pipeline,
  table: Table,
  { sets, codeHash, rebuild }: { sets: readonly CaptureSet[]; codeHash: string; rebuild: boolean },
): Promise<WrittenQuarantine> => {
  const { connection } = deps.session;
  const [any] = await allRows(connection, 'SELECT 1 AS hit FROM violacoes LIMIT 1');
  if (!any && !rebuild) return { add: [], fresh: 0, replayed: [], faulty: [] };
  await stageRecords(deps, pipeline, sets);
  await connection.run(
    `CREATE OR REPLACE TABLE faltas AS
     SELECT ${idSql} AS id, l.captura_id, l.posicao, v.alcance, v.coluna, v.motivo, v.detalhe, l.registro, b.visto AS visto_em,
       ${quoteText(codeHash)} AS modelo
     FROM violacoes v JOIN brutos b USING (_registro) JOIN registros_brutos l ON l.captura_id = b.captura_id AND l.posicao = b.posicao
     QUALIFY row_number() OVER (PARTITION BY id ORDER BY b.visto, l.captura_id, l.posicao) = 1`,
  );
  return withQuarantine(deps, pipeline, async (relation) => {
    const known = relation === undefined ? 'SELECT NULL AS id WHERE false' : `SELECT id FROM ${relation}`;
    const add = await writeDataFiles(
      { lake: deps.lake, session: deps.session },
      table,
      `(SELECT * FROM faltas WHERE id NOT IN (${known}))`,
    );
    const fresh = add.reduce((sum, { records }) => sum + records, 0);
    const ids = async (sql: string): Promise<string[]> =>
      (await allRows(connection, sql)).map(({ id }) => String(id));
    const replayed = rebuild ? await ids(`${known} EXCEPT SELECT id FROM faltas`) : [];
    return { add, fresh, replayed, faulty: await ids('SELECT id FROM faltas') };
  });
};

/** `registros_brutos`: the records at fault as they came. Only their answers are read again. */
const stageRecords = async (
  deps: SilverDeps,
  pipeline: Pipeline,
  sets: readonly CaptureSet[],
): Promise<void> => {
  const { connection } = deps.session;
  await connection.run(
    'CREATE OR REPLACE TABLE registros_brutos (captura_id VARCHAR, posicao INTEGER, registro VARCHAR)',
  );
  const faults = await allRows(
    connection,
    `SELECT b.captura_id, list(DISTINCT b.posicao) AS at FROM violacoes v JOIN brutos b USING (_registro) GROUP BY ALL`,
  );
  if (faults.length === 0) return;
  const wanted = new Map(faults.map((row) => [String(row['captura_id']), new Set(row['at'] as number[])]));
  const captures = await capturesOf(
    deps.pool,
    sets.map(({ setId }) => setId),
  );
  const appender = await connection.createAppender('registros_brutos');
  const bodies = bodiesOf(
    deps,
    pipeline.name,
    captures.filter(({ captureId }) => wanted.has(captureId)),
  );
  for await (const body of bodies) {
    const list = listAt(parseExactly(textOf(body.bytes)), pipeline.source.records);
    for (const position of wanted.get(body.captureId) ?? []) {
      appender.appendVarchar(body.captureId);
      appender.appendInteger(position);
      appender.appendVarchar(jsonText(list[position]));
      appender.endRow();
    }
  }
  appender.closeSync();
};

/** The quarantine's rows as a relation of the session, for as long as `work` lasts; undefined where there is no table. */
export const withQuarantine = async <T>(
  deps: Omit<SilverDeps, 'pool'>,
  pipeline: Pick<Pipeline, 'name'>,
  work: (relation: string | undefined) => Promise<T>,
): Promise<T> => {
  const table = await findTable(deps.lake, quarantineTable(pipeline.name));
  if (!table) return work(undefined);
  const plan = await planFiles(deps.lake, table);
  const held = await deps.files.hold(scanLocations(plan));
  try {
    return await work(scanSql(plan, held.localPath));
  } finally {
    held.release();
  }
};

/** Notes which faults are mended, each once, and which are there again; in the transaction that commits the rows. */
export const noteReplays = async (
  tx: Tx,
  { pipeline, attemptId, written }: { pipeline: string; attemptId: string; written: WrittenQuarantine },
): Promise<number> => {
  if (written.faulty.length > 0) {
    await tx.query('DELETE FROM pipeline_replays WHERE pipeline = $1 AND quarantine_id = ANY ($2)', [
      pipeline,
      written.faulty,
    ]);
  }
  if (written.replayed.length === 0) return 0;
  const noted = await tx.query(
    `INSERT INTO pipeline_replays (quarantine_id, pipeline, attempt_id)
     SELECT id, $2, $3 FROM unnest($1::text[]) AS q (id) ON CONFLICT DO NOTHING`,
    [written.replayed, pipeline, attemptId],
  );
  return noted.rowCount ?? 0;
};
