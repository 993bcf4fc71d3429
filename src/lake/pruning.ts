import { decodeValue } from './bounds.ts';
import type { DataFile } from './data-file.ts';
import type { PartitionColumn } from './manifest-schemas.ts';
import type { ManifestFile } from './manifests.ts';
import type { BoundCondition } from './predicate.ts';
import type { Type } from './schema.ts';
import { applyTransform, keepsOrder, sameValue } from './transforms.ts';
import { compareValues, type Value } from './values.ts';

/** What is known of a set of values: everything unknown is absent, and then nothing is left out. */
type Range = {
  readonly type: Type;
  readonly lower?: Value | null;
  readonly upper?: Value | null;
  /** false: surely no null. */
  readonly mayBeNull: boolean;
  /** false: surely only nulls. */
  readonly mayHaveValue: boolean;
  /** true: a NaN may be among them, which bounds do not cover. */
  readonly mayBeNan: boolean;
};

/**
 * Whether a file can hold a row that satisfies all conditions, by its partition and its column bounds. True when
 * in doubt: a file that is left out wrongly is a wrong answer, one that is read in vain costs time.
 */
export const fileMayMatch = (
  file: DataFile,
  columns: readonly PartitionColumn[],
  conditions: readonly BoundCondition[],
): boolean =>
  conditions.every((condition) => {
    if (!rangeMayMatch(columnRange(file, condition), condition)) return false;
    return columns.every((column, at) => {
      if (column.sourceId !== condition.field.id || column.transform === 'void') return true;
      const value = file.partition[at] ?? null;
      const range: Range = {
        type: column.type,
        lower: value,
        upper: value,
        mayBeNull: value === null,
        mayHaveValue: value !== null,
        mayBeNan: typeof value === 'number' && Number.isNaN(value),
      };
      return partitionMayMatch(range, column, condition);
    });
  });

/** The same for all files of a manifest, by the ranges that the manifest list keeps. */
export const manifestMayMatch = (
  manifest: ManifestFile,
  columns: readonly PartitionColumn[],
  conditions: readonly BoundCondition[],
): boolean =>
  conditions.every((condition) =>
    columns.every((column, at) => {
      const summary = manifest.partitions?.[at];
      if (!summary || column.sourceId !== condition.field.id || column.transform === 'void') return true;
      const lower = summary.lower ? decodeValue(column.type, summary.lower) : null;
      const upper = summary.upper ? decodeValue(column.type, summary.upper) : null;
      const isFloat = column.type === 'float' || column.type === 'double';
      const range: Range = {
        type: column.type,
        lower,
        upper,
        mayBeNull: summary.containsNull,
        mayHaveValue: true,
        mayBeNan: isFloat && summary.containsNan !== false,
      };
      return partitionMayMatch(range, column, condition);
    }),
  );

const columnRange = (file: DataFile, { field }: BoundCondition): Range => {
  const [lower, upper] = [file.lowerBounds?.get(field.id), file.upperBounds?.get(field.id)];
  const [values, nulls] = [file.valueCounts?.get(field.id), file.nullCounts?.get(field.id)];
  const isFloat = field.type === 'float' || field.type === 'double';
  return {
    type: field.type,
    lower: lower ? decodeValue(field.type, lower) : null,
    upper: upper ? decodeValue(field.type, upper) : null,
    mayBeNull: nulls !== 0,
    mayHaveValue: values === undefined || nulls === undefined || nulls < values,
    mayBeNan: isFloat && file.nanCounts?.get(field.id) !== 0,
  };
};

/** A partition's range is of transformed values: the literals are transformed, and strict comparisons become lax. */
const partitionMayMatch = (range: Range, column: PartitionColumn, condition: BoundCondition): boolean => {
  if (condition.op === 'is null' || condition.op === 'is not null') return rangeMayMatch(range, condition);
  if (condition.op === '!=')
    return column.transform === 'identity' ? rangeMayMatch(range, condition) : range.mayHaveValue;
  // The old type of a column that was widened since is what the values were transformed as; the result is the same.
  const transformed = condition.values.map((value) =>
    applyTransform(column.transform, column.sourceType, value),
  );
  if (transformed.includes(null)) return true;
  const values = transformed as Value[];
  if (condition.op === '=' || condition.op === 'in') return rangeMayMatch(range, { ...condition, values });
  if (!keepsOrder(column.transform)) return range.mayHaveValue;
  if (condition.op === 'starts with') return prefixMayMatch(range, String(values[0]));
  if (column.transform === 'identity') return rangeMayMatch(range, { ...condition, values });
  const lax = condition.op === '<' ? '<=' : condition.op === '>' ? '>=' : condition.op;
  return rangeMayMatch(range, { ...condition, op: lax, values });
};

const rangeMayMatch = (range: Range, { op, values }: Pick<BoundCondition, 'op' | 'values'>): boolean => {
  if (op === 'is null') return range.mayBeNull;
  if (!range.mayHaveValue) return false;
  // DuckDB orders NaN above every number, so with NaN among the values the upper bound says nothing.
  const lower = range.lower ?? null;
  const upper = range.mayBeNan ? null : (range.upper ?? null);
  const atLeast = (value: Value): boolean => upper === null || compareValues(upper, value) >= 0;
  const atMost = (value: Value): boolean => lower === null || compareValues(lower, value) <= 0;
  const first = values[0] ?? '';
  switch (op) {
    case '=':
    case 'in':
      return values.some((value) => atLeast(value) && atMost(value));
    case '<':
      return lower === null || compareValues(lower, first) < 0;
    case '<=':
      return atMost(first);
    case '>':
      return upper === null || compareValues(upper, first) > 0;
    case '>=':
      return atLeast(first);
    case '!=':
      return !(
        isExact(range) &&
        lower !== null &&
        upper !== null &&
        sameValue(lower, first) &&
        sameValue(upper, first)
      );
    case 'starts with':
      return prefixMayMatch({ ...range, upper }, String(first));
    default:
      return true;
  }
};

/** Text and bytes have bounds that may be cut: equal bounds do not mean one value. */
const isExact = ({ type }: Range): boolean => type !== 'string' && type !== 'binary';

const prefixMayMatch = ({ lower, upper }: Range, prefix: string): boolean => {
  const length = [...prefix].length;
  const cut = (value: Value): string => [...String(value)].slice(0, length).join('');
  if (upper !== null && upper !== undefined && compareValues(upper, prefix) < 0) return false;
  return lower === null || lower === undefined || compareValues(cut(lower), prefix) <= 0;
};
