import type { DuckDBConnection } from '@duckdb/node-api';
import type { OutputColumn } from '../query.ts';

/** What a format writes, and where. */
export type ReportFile = {
  readonly connection: DuckDBConnection;
  /** What may stand behind FROM: the report's rows, in the order in which they are to be written. */
  readonly rows: string;
  readonly columns: readonly OutputColumn[];
  readonly expectedRows: number;
  readonly path: string;
  readonly signal: AbortSignal;
  /** To be called with the rows that are written. */
  readonly progress: (rows: number) => void;
};
