/**
 * A value as text or number, typed by its column: `date` as `2026-11-22`, `timestamp` as `2026-11-22T10:00:00.123456`,
 * `timestamptz` the same with an offset or `Z`, `time` as `10:00:00`, decimals and longs above 2^53 as text, `uuid` as text.
 */
export type Literal = string | number | bigint | boolean | Uint8Array;

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** One condition on a top-level column, with SQL's meaning: null satisfies only `is null`. */
export type Condition =
  | { readonly column: string; readonly op: Comparison; readonly value: Literal }
  | { readonly column: string; readonly op: 'in'; readonly values: readonly Literal[] }
  | { readonly column: string; readonly op: 'starts with'; readonly value: string }
  | { readonly column: string; readonly op: 'is null' | 'is not null' };

/** All conditions hold (AND). Empty: every row. */
export type Predicate = readonly Condition[];
