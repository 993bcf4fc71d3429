/** What happens where a check fails. `quarantine` is for checks of single rows. */
export type OnFail = 'warn' | 'stop' | 'quarantine';

type CheckOptions = { readonly name?: string; readonly onFail?: OnFail };

/** A rule that a table's rows, or the table as a whole, are held against. */
export type Check =
  | ({ readonly kind: 'not_null'; readonly column: string } & CheckOptions)
  /** Null counts as a value like any other. */
  | ({ readonly kind: 'unique'; readonly columns: readonly string[] } & CheckOptions)
  | ({
      readonly kind: 'accepted_values';
      readonly column: string;
      readonly values: readonly string[];
    } & CheckOptions)
  /** Both bounds are included. */
  | ({
      readonly kind: 'range';
      readonly column: string;
      readonly min?: string | number;
      readonly max?: string | number;
    } & CheckOptions)
  | ({
      readonly kind: 'reference';
      readonly column: string;
      readonly table: string;
      readonly to: string;
    } & CheckOptions)
  | ({ readonly kind: 'row_count'; readonly min?: number; readonly max?: number } & CheckOptions)
  | ({ readonly kind: 'freshness'; readonly column: string; readonly hours: number } & CheckOptions)
  /** A SELECT that gives the rows that are wrong. */
  | ({ readonly kind: 'sql'; readonly name: string; readonly sql: string } & CheckOptions);
