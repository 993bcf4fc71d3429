import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { quoteName, quoteText } from '../lake/duckdb-session.ts';
import { parseStatement } from '../lake/engines/duckdb-statement.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import { findTable } from '../lake/tables.ts';
import type { Check, Pipeline } from './declaration.ts';
import { type CheckResult, type QualityReport, runChecks, stops } from './quality/run-checks.ts';
import { sessionQuery } from './quality/session-query.ts';
import type { MergedSilver, SilverDeps } from './silver.ts';
import { sameKey } from './silver-sql.ts';
import { silverTable } from './silver-tables.ts';

/** A check that stops a run has failed, or could not be held. */
export class QualityError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'QualityError';
  }
}

type CheckDeps = SilverDeps & { readonly clock: () => Date };

const split = ({ checks = [] }: Pipeline): { rows: Check[]; table: Check[] } => ({
  rows: checks.filter(({ onFail }) => onFail === 'quarantine'),
  table: checks.filter(({ onFail }) => onFail !== 'quarantine'),
});

const failingFile = ({ session }: CheckDeps): string =>
  join(session.folder, `failing-${randomUUID()}.ndjson`);

/**
 * Holds the checks that quarantine against the new rows, and takes those that fail out of `linhas` into `violacoes`.
 * Undefined: there are none.
 */
export const quarantineByChecks = async (
  deps: CheckDeps,
  pipeline: Pipeline,
): Promise<QualityReport | undefined> => {
  const { rows: checks } = split(pipeline);
  if (checks.length === 0) return undefined;
  const { connection } = deps.session;
  return withTables(deps, pipeline, undefined, async () => {
    await connection.run('CREATE OR REPLACE VIEW linhas_vivas AS SELECT * FROM linhas WHERE NOT apaga');
    const report = await runChecks(
      { query: sessionQuery(connection), clock: deps.clock },
      {
        table: silverTable(pipeline.name),
        relation: 'linhas_vivas',
        pointer: ['_registro'],
        checks,
        file: failingFile(deps),
      },
    );
    if (report.failing.lines > 0) {
      await connection.run(
        `INSERT INTO violacoes SELECT CAST(json_extract_string(pointer, '$._registro') AS BIGINT), NULL, 'verificacao', "check" || ': ' || reason, 'linha'
         FROM read_json(${quoteText(report.failing.file)}, format = 'newline_delimited', maximum_object_size = ${Math.max(16_777_216, report.failing.longestLine + 1024)},
           columns = {"check": 'VARCHAR', reason: 'VARCHAR', pointer: 'VARCHAR'})`,
      );
      await connection.run(
        "DELETE FROM linhas WHERE _registro IN (SELECT _registro FROM violacoes WHERE alcance = 'linha')",
      );
    }
    return report;
  });
};

/** Holds the other checks against silver as it would be. Undefined: there are none, or nothing changed. */
export const checkSilver = async (
  deps: CheckDeps,
  pipeline: Pipeline,
  merged: MergedSilver,
): Promise<QualityReport | undefined> => {
  const { table: checks } = split(pipeline);
  if (checks.length === 0 || !merged.changed) return undefined;
  return withTables(deps, pipeline, merged, () =>
    runChecks(
      { query: sessionQuery(deps.session.connection), clock: deps.clock },
      {
        table: silverTable(pipeline.name),
        pointer: [...pipeline.silver.key, 'captura_id', 'posicao'],
        checks,
        file: failingFile(deps),
      },
    ),
  );
};

/** @throws QualityError */
export const requireQuality = (pipeline: Pipeline, report: QualityReport): void => {
  const stopping = stops(report);
  if (stopping.length > 0) {
    throw new QualityError(
      `${pipeline.name}: ${stopping.map(shown).join('; ')}; nothing was committed to silver`,
    );
  }
};

const shown = ({ name, outcome, expected, found }: CheckResult): string =>
  `check "${name}" ${outcome === 'error' ? 'could not be held' : 'failed'}: expected ${expected}, found ${found ?? 'nothing'}`;

/** What people should know of a report: checks that failed and let the run go on. */
export const qualityNotices = (report: QualityReport | undefined): string[] =>
  (report?.results ?? []).filter(({ outcome }) => outcome !== 'pass').map(shown);

/** The tables that the checks name, as views of the session: silver as it would be, the others as they are. */
const withTables = async <T>(
  deps: CheckDeps,
  pipeline: Pipeline,
  merged: MergedSilver | undefined,
  work: () => Promise<T>,
): Promise<T> => {
  const { session, lake, files } = deps;
  const { connection } = session;
  const own = silverTable(pipeline.name);
  const plans: {
    name: string;
    relation: (localPath: (location: string) => string) => string;
    locations: string[];
  }[] = [];
  const ownTable = await findTable(lake, own);
  const ownPlan = ownTable && merged && !merged.rebuild ? await planFiles(lake, ownTable) : undefined;
  if (merged) {
    const names = [
      ...merged.columns.map(({ name }) => name),
      'valido_desde',
      'captura_id',
      'posicao',
      'hash_linha',
    ];
    const fresh = `SELECT ${names.map(quoteName).join(', ')} FROM versoes WHERE NOT apaga AND valido_ate IS NULL`;
    plans.push({
      name: own,
      locations: ownPlan ? scanLocations(ownPlan) : [],
      relation: (localPath) =>
        ownPlan
          ? `${fresh} UNION ALL BY NAME SELECT * FROM ${scanSql(ownPlan, localPath)} c
             WHERE NOT EXISTS (SELECT 1 FROM chaves_tocadas t WHERE ${sameKey(pipeline.silver.key, 't', 'c')})`
          : fresh,
    });
  }
  for (const name of await tablesOf(deps, pipeline)) {
    const table = name === own ? null : await findTable(lake, name);
    if (!table) continue;
    const plan = await planFiles(lake, table);
    plans.push({
      name,
      locations: scanLocations(plan),
      relation: (localPath) => `SELECT * FROM ${scanSql(plan, localPath)}`,
    });
  }
  const held = await files.hold(plans.flatMap(({ locations }) => locations));
  try {
    for (const { name, relation } of plans) {
      const [namespace = '', table = ''] = name.split('.');
      await connection.run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(namespace)}`);
      await connection.run(
        `CREATE OR REPLACE VIEW ${quoteName(namespace)}.${quoteName(table)} AS ${relation(held.localPath)}`,
      );
    }
    return await work();
  } finally {
    for (const { name } of plans) {
      const [namespace = '', table = ''] = name.split('.');
      await connection.run(`DROP VIEW IF EXISTS ${quoteName(namespace)}.${quoteName(table)}`).catch(() => {});
    }
    held.release();
  }
};

const tablesOf = async ({ session }: CheckDeps, { checks = [] }: Pipeline): Promise<Set<string>> => {
  const names = new Set<string>();
  for (const check of checks) {
    if (check.kind === 'reference') names.add(check.table);
    if (check.kind !== 'sql') continue;
    // A check whose SQL can't be read is an error among the results: the run says so.
    const parsed = await parseStatement(session.connection, check.sql).catch(() => undefined);
    for (const { namespace, table } of parsed?.tables ?? []) names.add(`${namespace}.${table}`);
  }
  return names;
};
