import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataFile } from '../lake/data-file.ts';
import { copyOptions, importDataFile, projectToTable } from '../lake/data-writer.ts';
import { type DuckSession, quoteText } from '../lake/duckdb-session.ts';
import type { Lake, Table } from '../lake/tables.ts';
import { nullMark, type Stage, separator, stagedColumns } from './staging.ts';

export type WriteDeps = { readonly lake: Lake; readonly session: DuckSession };

/**
 * Fewer rows a group let a reader of one client skip more, and share a file evenly among the threads that read it
 * back; more bytes than this would fill a reader's memory.
 */
export const rowGroupSize = 4_096;
const rowGroupBytes = '16MB';
/** Longer lines are read by one thread: each thread holds several of its buffers. */
const longLine = 2_000_000;

const stagedRelation = (stage: Stage): string => {
  const columns = stagedColumns.map((name) => `${name}: 'VARCHAR'`).join(', ');
  const line = stage.longestLine + 1024;
  const buffer = Math.max(2 * 1024 * 1024, line * 2);
  return `read_csv(${quoteText(stage.path)}, columns = {${columns}}, auto_detect = false, header = false, delim = '${separator}',
    quote = '', escape = '', comment = '', new_line = '\\n', nullstr = '${nullMark}', strict_mode = false,
    max_line_size = ${line}, buffer_size = ${buffer})`;
};

const rowsSql = (stage: Stage, archivedAt: Date): string => {
  const text = (name: string): string => `if(plain = '1', ${name}, url_decode(${name})) AS ${name}`;
  return `SELECT ${['ordem_id', 'area_id', 'contrato_id', 'cliente_requisitante_id', 'status_ordem'].map(text).join(', ')},
      from_json(cliente_participante_id, '["VARCHAR"]') AS cliente_participante_id,
      make_timestamptz(CAST(data_criacao AS BIGINT) * 1000) AS data_criacao,
      regras_ordem, metadados_ordem, notificacoes_ordem, logs_eventos_ordem, metadados_participante, logs_eventos_participante,
      CAST(versao AS BIGINT) AS versao, hash_versao,
      coalesce(make_timestamptz(CAST(arquivado_em AS BIGINT) * 1000), TIMESTAMPTZ ${quoteText(archivedAt.toISOString())}) AS arquivado_em
    FROM ${stagedRelation(stage)}`;
};

/** Months since 1970: the partition value of a month. */
const monthNumber = (month: Date): number => (month.getUTCFullYear() - 1970) * 12 + month.getUTCMonth();

/**
 * Writes a stage as one Parquet file of the table, sorted by client. Nothing is visible before a commit.
 * @throws Error when the file does not hold as many rows as were staged
 */
export const writeStage = async (
  { lake, session }: WriteDeps,
  table: Table,
  stage: Stage,
  archivedAt: Date,
): Promise<DataFile> => {
  const local = join(session.folder, `${randomUUID()}.parquet`);
  const isLong = stage.longestLine > longLine;
  const { connection } = session;
  if (isLong) await connection.run('SET threads = 1');
  try {
    await connection.run(
      `COPY (${projectToTable(table, `(${rowsSql(stage, archivedAt)})`)} ORDER BY cliente_requisitante_id, data_criacao)
       TO ${quoteText(local)} (${copyOptions(table, { rowGroupSize })}, ROW_GROUP_SIZE_BYTES '${rowGroupBytes}')`,
    );
    const partition = [monthNumber(stage.month), stage.areaId];
    const file = await importDataFile({ lake, session }, table, local, { partition });
    if (file.records !== stage.orders.ids.length) {
      throw new Error(`${stage.orders.ids.length} orders were staged, and ${file.records} written`);
    }
    return file;
  } finally {
    if (isLong) await connection.run('RESET threads');
    await rm(local, { force: true });
  }
};
