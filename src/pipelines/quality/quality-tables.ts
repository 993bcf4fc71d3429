import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataFile } from '../../lake/data-file.ts';
import { writeDataFiles } from '../../lake/data-writer.ts';
import { type DuckSession, quoteText } from '../../lake/duckdb-session.ts';
import {
  append,
  createTable,
  findTable,
  type Lake,
  loadTable,
  type Table,
  type TableDefinition,
  TableExistsError,
} from '../../lake/tables.ts';
import type { Tx } from '../../platform/postgres.ts';
import type { QualityReport } from './run-checks.ts';

/** One row for each check of each run. */
export const resultsTable = 'qualidade.resultados';
/** Every row that a check found wrong. */
export const failingRowsTable = 'qualidade.linhas_reprovadas';

const runColumns: TableDefinition['columns'] = [
  { name: 'execucao_id', type: 'string', required: true, doc: 'Run that held the check' },
  { name: 'pipeline', type: 'string', required: true },
  { name: 'tabela', type: 'string', required: true },
  { name: 'verificado_em', type: 'timestamptz', required: true },
  { name: 'verificacao', type: 'string', required: true, doc: 'Name of the check' },
  { name: 'tipo', type: 'string', required: true, doc: 'Kind of the check' },
];

const resultsDefinition: TableDefinition = {
  columns: [
    ...runColumns,
    { name: 'ao_falhar', type: 'string', required: true, doc: 'warn, stop or quarantine' },
    { name: 'resultado', type: 'string', required: true, doc: 'pass, fail, or error: it could not be held' },
    { name: 'esperado', type: 'string', required: true },
    { name: 'encontrado', type: 'string' },
    { name: 'linhas_verificadas', type: 'long', required: true },
    { name: 'linhas_reprovadas', type: 'long', required: true },
  ],
  partitionBy: [{ column: 'verificado_em', transform: 'month' }],
};

const failingRowsDefinition: TableDefinition = {
  columns: [
    ...runColumns,
    { name: 'motivo', type: 'string', required: true },
    { name: 'ponteiro', type: 'string', required: true, doc: 'JSON: what finds the row again' },
    { name: 'linha', type: 'string', required: true, doc: 'JSON: the whole row as it was' },
  ],
  partitionBy: [{ column: 'verificado_em', transform: 'day' }],
};

/** The table, made where it is not there yet. */
const ensureTable = async (lake: Lake, name: string, definition: TableDefinition): Promise<Table> => {
  const found = await findTable(lake, name);
  if (found) return found;
  return createTable(lake, name, definition).catch((error: unknown) => {
    // Another run made it in the meantime.
    if (error instanceof TableExistsError) return loadTable(lake, name);
    throw error;
  });
};

export type RecordedRun = { readonly runId: string; readonly pipeline: string };

/** Rows that are written and not visible yet; `recordQuality` makes them so. */
export type StagedQuality = {
  readonly results: DataFile[];
  readonly failing: DataFile[];
  readonly id: string;
};

const textColumns = (names: readonly string[]): string =>
  `{${names.map((name) => `${name}: 'VARCHAR'`).join(', ')}}`;

/**
 * Writes a report's rows as files of the two tables, before any transaction is open. Twice for one run and table is
 * harmless: the second one's files are never committed.
 */
export const stageQuality = async (
  { lake, session }: { lake: Lake; session: DuckSession },
  { runId, pipeline }: RecordedRun,
  report: QualityReport,
): Promise<StagedQuality> => {
  const [results, failing] = await Promise.all([
    ensureTable(lake, resultsTable, resultsDefinition),
    ensureTable(lake, failingRowsTable, failingRowsDefinition),
  ]);
  const own = `${quoteText(runId)} AS execucao_id, ${quoteText(pipeline)} AS pipeline,
    ${quoteText(report.table)} AS tabela, TIMESTAMPTZ ${quoteText(report.checkedAt.toISOString())} AS verificado_em,
    "check" AS verificacao, kind AS tipo`;
  const local = join(session.folder, `results-${report.checkedAt.getTime()}.ndjson`);
  await writeFile(
    local,
    report.results
      .map(({ name, checkedRows, failingRows, ...rest }) =>
        JSON.stringify({ check: name, rows: checkedRows, wrong: failingRows, ...rest }),
      )
      .join('\n'),
  );
  const resultRows = `read_json(${quoteText(local)}, format = 'newline_delimited',
    columns = {"check": 'VARCHAR', kind: 'VARCHAR', onFail: 'VARCHAR', outcome: 'VARCHAR', expected: 'VARCHAR',
               found: 'VARCHAR', rows: 'BIGINT', wrong: 'BIGINT'})`;
  const failingRows = `read_json(${quoteText(report.failing.file)}, format = 'newline_delimited',
    maximum_object_size = ${Math.max(16_777_216, report.failing.longestLine + 1024)},
    columns = ${textColumns(['"check"', 'kind', 'reason', 'pointer', '"row"'])})`;
  const deps = { lake, session };
  return {
    id: `quality:${runId}:${report.table}`,
    results:
      report.results.length === 0
        ? []
        : await writeDataFiles(
            deps,
            results,
            `(SELECT ${own}, onFail AS ao_falhar, outcome AS resultado, expected AS esperado, found AS encontrado,
                rows AS linhas_verificadas, wrong AS linhas_reprovadas FROM ${resultRows})`,
          ),
    failing:
      report.failing.lines === 0
        ? []
        : await writeDataFiles(
            deps,
            failing,
            `(SELECT ${own}, reason AS motivo, pointer AS ponteiro, "row" AS linha FROM ${failingRows})`,
          ),
  };
};

/**
 * Makes a report part of the two tables, in the caller's transaction: both or neither. A run that is recorded again
 * changes nothing.
 */
export const recordQuality = async (lake: Lake, staged: StagedQuality, tx: Tx): Promise<void> => {
  const options = { tx, commitId: staged.id };
  if (staged.results.length > 0) await append(lake, resultsTable, { add: staged.results }, options);
  if (staged.failing.length > 0) await append(lake, failingRowsTable, { add: staged.failing }, options);
};
