import type { DataFile } from '../../lake/data-file.ts';
import { writeDataFiles } from '../../lake/data-writer.ts';
import { type DuckSession, quoteName, quoteText } from '../../lake/duckdb-session.ts';
import { append, createTable, findTable, type Lake, type TableDefinition } from '../../lake/tables.ts';
import type { Tx } from '../../platform/postgres.ts';

/** `mudancas.ibge_localidades`: every change that was derived from a pipeline's snapshots. */
export const changesTable = (pipeline: string): string => `mudancas.${pipeline}`;

const definition: TableDefinition = {
  columns: [
    { name: 'execucao_id', type: 'string', required: true, doc: 'Run that derived the change' },
    { name: 'observado_em', type: 'timestamptz', required: true, doc: 'When the snapshot was whole' },
    { name: 'operacao', type: 'string', required: true, doc: 'insert, update or delete' },
    { name: 'chave', type: 'string', required: true, doc: 'JSON: the columns of the key' },
    { name: 'antes', type: 'string', doc: 'JSON: the row before; null for an insert' },
    { name: 'depois', type: 'string', doc: 'JSON: the row after; null for a delete' },
    { name: 'colunas', type: 'string', doc: 'Columns that an update changed' },
  ],
  partitionBy: [{ column: 'observado_em', transform: 'month' }],
};

export type StagedChanges = {
  readonly pipeline: string;
  readonly runId: string;
  readonly files: readonly DataFile[];
};

/** Writes the session's `mudancas` (see diffSnapshots) as files of the table. Not visible before `recordChanges`. */
export const stageChanges = async (
  { lake, session }: { lake: Lake; session: DuckSession },
  { pipeline, runId, key, at }: { pipeline: string; runId: string; key: readonly string[]; at: Date },
): Promise<StagedChanges> => {
  const name = changesTable(pipeline);
  const table = (await findTable(lake, name)) ?? (await createTable(lake, name, definition));
  const keyJson = key.map((column) => `${quoteName(column)} := ${quoteName(column)}`).join(', ');
  const files = await writeDataFiles(
    { lake, session },
    table,
    `(SELECT ${quoteText(runId)} AS execucao_id, TIMESTAMPTZ ${quoteText(at.toISOString())} AS observado_em, operacao,
        to_json(struct_pack(${keyJson}))::VARCHAR AS chave, antes, depois, colunas FROM mudancas)`,
  );
  return { pipeline, runId, files };
};

/** Makes staged changes part of the table in the caller's transaction. A run's changes are there once, however often it is repeated. */
export const recordChanges = async (
  lake: Lake,
  { pipeline, runId, files }: StagedChanges,
  tx: Tx,
): Promise<void> => {
  if (files.length === 0) return;
  await append(lake, changesTable(pipeline), { add: files }, { tx, commitId: `changes:${runId}` });
};
