import { recordValue } from './pg-value.ts';
import type { OldRow, Relation, Tuple } from './pgoutput.ts';

/**
 * One change of a row as a record: the row's columns by name, and beside them
 *
 * - `_op`: `snapshot`, `insert`, `update`, `delete`, `truncate`
 * - `_lsn`: where the transaction's commit lies in the source's log, as a whole number; `_seq`: the change's place
 *   in it. Greater by both is newer. `_xid`, `_commit`: the transaction and its time
 * - `_looked_up`: columns that the update did not send (TOASTed, unchanged) and that were read from the table
 *   afterwards; `_unavailable`: those whose row was gone by then, which are null
 */
export type ChangeRecord = { [column: string]: string | number | boolean | null | string[] };

export type TransactionFacts = { readonly lsn: bigint; readonly xid: number; readonly committedAt: Date };

/** An unsent value that has to be read from the table: of this record, in this column. */
export type MissingValue = { readonly record: ChangeRecord; readonly column: string };

const facts = (
  op: string,
  { lsn, xid, committedAt }: TransactionFacts,
  seq: number,
): Record<string, string | number> => ({
  _op: op,
  _lsn: lsn.toString(),
  _seq: seq,
  _xid: xid,
  _commit: committedAt.toISOString(),
});

/** The values of a tuple that are known. An unsent one is taken from the whole old row where there is one. */
const valuesOf = (
  relation: Relation,
  row: Tuple,
  old: OldRow | null,
): { values: ChangeRecord; unsent: string[] } => {
  const values: ChangeRecord = {};
  const unsent: string[] = [];
  relation.columns.forEach(({ name, typeOid }, n) => {
    const text = row[n] === undefined && old?.kind === 'full' ? old.tuple[n] : row[n];
    if (text === undefined) unsent.push(name);
    else values[name] = recordValue(typeOid, text);
  });
  return { values, unsent };
};

/** The old row: its key alone, as the other columns of it are not sent, or all of it. */
const oldValues = (relation: Relation, { kind, tuple }: OldRow): ChangeRecord =>
  Object.fromEntries(
    relation.columns.flatMap(({ name, typeOid, isKey }, n) =>
      kind === 'full' || isKey ? [[name, recordValue(typeOid, tuple[n] ?? null)]] : [],
    ),
  );

const changesKey = (key: readonly string[], before: ChangeRecord, after: ChangeRecord): boolean =>
  key.some((name) => name in before && before[name] !== after[name]);

export type RowChange =
  | { readonly kind: 'insert'; readonly row: Tuple }
  | { readonly kind: 'update'; readonly row: Tuple; readonly old: OldRow | null }
  | { readonly kind: 'delete'; readonly old: OldRow }
  | { readonly kind: 'truncate' };

/**
 * The records of one change, and what of them is still to be read. An update of the key is a deletion and an insertion:
 * the row under the old key is gone. `seq` counts in steps of two for it.
 */
export const toRecords = (
  relation: Relation,
  key: readonly string[],
  change: RowChange,
  of: TransactionFacts,
  seq: number,
): { records: ChangeRecord[]; missing: MissingValue[] } => {
  if (change.kind === 'truncate') return { records: [facts('truncate', of, seq)], missing: [] };
  if (change.kind === 'delete') {
    return { records: [{ ...oldValues(relation, change.old), ...facts('delete', of, seq) }], missing: [] };
  }
  const old = change.kind === 'update' ? change.old : null;
  const { values, unsent } = valuesOf(relation, change.row, old);
  const record: ChangeRecord = { ...values, ...facts(change.kind, of, seq + 1) };
  const before = old ? oldValues(relation, old) : undefined;
  const gone = before && changesKey(key, before, values) ? [{ ...before, ...facts('delete', of, seq) }] : [];
  return { records: [...gone, record], missing: unsent.map((column) => ({ record, column })) };
};
