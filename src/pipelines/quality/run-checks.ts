import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { type Batch, type Column, QueryError, type SqlValue } from '../../lake/engines/engine.ts';
import type { Check } from '../declaration.ts';
import { CheckError, type CompiledCheck, checkName, compileCheck } from './check-sql.ts';

/** Runs one SELECT: `query` of a LakeEngine, or `sessionQuery` for rows that are not committed yet. */
export type Query = (sql: string) => AsyncIterable<Batch>;

export type CheckResult = {
  readonly name: string;
  readonly kind: Check['kind'];
  readonly onFail: NonNullable<Check['onFail']>;
  /** `error`: it could not be held, which is neither a pass nor a fail. */
  readonly outcome: 'pass' | 'fail' | 'error';
  readonly expected: string;
  /** What was found instead; the reason of an error. */
  readonly found: string | null;
  readonly checkedRows: number;
  readonly failingRows: number;
};

export type QualityReport = {
  readonly table: string;
  readonly checkedAt: Date;
  readonly results: readonly CheckResult[];
  /** Every failing row as a line of JSON: `{ check, kind, reason, pointer, row }`. See quality-tables.ts. */
  readonly failing: { readonly file: string; readonly lines: number; readonly longestLine: number };
};

export type ChecksRequest = {
  /** For people and for the history: `silver.bcb_sgs`. */
  readonly table: string;
  /** What the checks' SQL reads. Default: the table. */
  readonly relation?: string;
  /** Columns by which a row is found again, for instance its key and its place in bronze. Absent ones are left out. */
  readonly pointer: readonly string[];
  readonly checks: readonly Check[];
  /** A new file for the failing rows. */
  readonly file: string;
};

/**
 * Holds the checks against a table. All failing rows are written, whatever their number; memory holds one batch.
 * A check that is wrong itself (its SQL, its column) is an `error` among the results.
 * @throws QueryError where the engine is at fault: the run is to be tried again
 */
export const runChecks = async (
  { query, clock }: { query: Query; clock: () => Date },
  { table, relation = table, pointer, checks, file }: ChecksRequest,
): Promise<QualityReport> => {
  const checkedAt = clock();
  const target = { relation, columns: await columnsOf(query, relation) };
  const checkedRows = Number(await figureOf(query, `SELECT count(*) AS figure FROM ${relation}`));
  const results: CheckResult[] = [];
  const handle = await open(file, 'w');
  const out: Out = { handle, lines: 0, longestLine: 0 };
  try {
    for (const check of checks) {
      const isTwice = results.some(({ name }) => name === checkName(check));
      const held = isTwice
        ? nameless(check)
        : await holdCheck(check, { query, target, pointer, now: checkedAt, out });
      results.push({ ...held, checkedRows });
    }
  } finally {
    await handle.close();
  }
  const { lines, longestLine } = out;
  return { table, checkedAt, results, failing: { file, lines, longestLine } };
};

/** What the checks have to say about the run: stop it, or not. An error of a check that would stop it stops it too. */
export const stops = ({ results }: QualityReport): CheckResult[] =>
  results.filter(({ outcome, onFail }) => outcome !== 'pass' && onFail === 'stop');

type Out = { readonly handle: FileHandle; lines: number; longestLine: number };

type Holding = {
  query: Query;
  target: { relation: string; columns: readonly Column[] };
  pointer: readonly string[];
  now: Date;
  out: Out;
};

const columnsOf = async (query: Query, relation: string): Promise<readonly Column[]> => {
  for await (const { columns } of query(`SELECT * FROM ${relation} AS t WHERE 1 = 0`)) return columns;
  throw new Error(`the engine did not describe ${relation}`);
};

const figureOf = async (query: Query, sql: string): Promise<SqlValue> => {
  for await (const { rows } of query(sql)) {
    if (rows[0]) return rows[0][0] ?? null;
  }
  return null;
};

/** A check's history is found by its name, so two of one table can't share it. */
const nameless = (check: Check): Omit<CheckResult, 'checkedRows'> => ({
  name: checkName(check),
  kind: check.kind,
  onFail: check.onFail ?? 'warn',
  outcome: 'error',
  expected: 'a name of its own',
  found: 'another check of this table has the same name; set `name`',
  failingRows: 0,
});

const holdCheck = async (check: Check, holding: Holding): Promise<Omit<CheckResult, 'checkedRows'>> => {
  const facts = { name: checkName(check), kind: check.kind, onFail: check.onFail ?? 'warn' };
  let compiled: CompiledCheck | undefined;
  try {
    compiled = compileCheck(check, holding.target);
    const { expected } = compiled;
    if ('figure' in compiled) {
      const figure = await figureOf(holding.query, compiled.figure);
      const outcome = compiled.judge(figure, holding.now) ? 'pass' : 'fail';
      const found = figure === null ? 'nothing' : String(figure);
      return { ...facts, outcome, expected, found, failingRows: 0 };
    }
    const failingRows = await writeFailing(compiled.name, compiled.kind, expected, compiled.rows, holding);
    const found = failingRows === 0 ? null : `${failingRows} rows`;
    return { ...facts, outcome: failingRows === 0 ? 'pass' : 'fail', expected, found, failingRows };
  } catch (error) {
    const isOwn = error instanceof CheckError || (error instanceof QueryError && error.fault === 'query');
    if (!isOwn) throw error;
    const expected = compiled?.expected ?? 'a check that can be held';
    return { ...facts, outcome: 'error', expected, found: error.message, failingRows: 0 };
  }
};

const writeFailing = async (
  check: string,
  kind: Check['kind'],
  expected: string,
  sql: string,
  { query, pointer, out }: Holding,
): Promise<number> => {
  let count = 0;
  for await (const { columns, rows } of query(sql)) {
    const places = pointer.map((name) => columns.findIndex((column) => column.name === name));
    let text = '';
    for (const row of rows) {
      const pointed = pointer.flatMap((name, n) => {
        const place = places[n] ?? -1;
        return place < 0 ? [] : [[name, row[place] ?? null]];
      });
      const line = JSON.stringify({
        check,
        kind,
        reason: `expected ${expected}`,
        pointer: JSON.stringify(Object.fromEntries(pointed)),
        row: JSON.stringify(Object.fromEntries(columns.map(({ name }, n) => [name, row[n] ?? null]))),
      });
      out.longestLine = Math.max(out.longestLine, Buffer.byteLength(line));
      text += `${line}\n`;
    }
    if (text !== '') await out.handle.write(text);
    count += rows.length;
  }
  out.lines += count;
  return count;
};
