import type { CurrentOrderRow } from '../archive/archive.ts';
import type { LakeEngine } from '../lake/engines/engine.ts';
import type { FileCache } from '../lake/file-cache.ts';
import type { Lake } from '../lake/tables.ts';

export type ReportFormat = 'csv' | 'json' | 'ndjson' | 'parquet' | 'xlsx' | 'pdf';

/** What narrows a report down; which of them a kind takes and needs is in its description. */
export type ParameterName =
  | 'areaId'
  | 'contractId'
  | 'clientId'
  | 'requesterId'
  | 'participantId'
  | 'orderId';

export type ReportParameters = { readonly [Name in ParameterName]?: string };

export type ReportOptions = {
  /** CSV. Default `,`; Excel in Brazil opens `;` by itself. */
  readonly separator?: ',' | ';';
  /** CSV: begin with a byte order mark, by which Excel knows UTF-8. Default false. */
  readonly bom?: boolean;
  /** JSON columns as one column each (`kept`, the default), or a column for every member (`flat`). */
  readonly json?: 'flat' | 'kept';
};

/** A parsed request, see `parseReportRequest`. Instants are ISO 8601 in UTC. */
export type ReportRequest = {
  readonly kind: string;
  readonly parameters: ReportParameters;
  /** Orders created at or after. */
  readonly from?: string;
  /** Orders created before. */
  readonly to?: string;
  /** Status of the order, as in the data model: `concluida`. */
  readonly status?: string;
  readonly format: ReportFormat;
  readonly options: ReportOptions;
};

/** Who asks. Compiled into the query, so that no row outside of it is ever read into a file. */
export type ReportViewer = {
  /** Areas whose orders may be seen. */
  readonly areas: readonly string[] | 'all';
  /** Clients whose orders may be seen: those that they requested or take part in. */
  readonly clients: readonly string[] | 'all';
  /** CPF, e-mail and phone as they are; else masked. */
  readonly unmasked: boolean;
  readonly scopes: readonly string[];
};

/** Final clients ask for their own orders; areas (the bank's products) for the orders of theirs. */
export type Audience = 'client' | 'area';

export type ReportColumnDescription = {
  readonly name: string;
  /** Heading in PDF, in Portuguese. */
  readonly title: string;
  readonly type: 'text' | 'integer' | 'timestamp' | 'list' | 'json';
};

export type ReportParameterDescription = {
  readonly name: ParameterName;
  readonly required: boolean;
  readonly about: string;
};

/** What there is to say of a kind in the API's documentation and the command line's help. */
export type ReportKindDescription = {
  readonly name: string;
  /** In Portuguese: head of the PDF, notices. */
  readonly title: string;
  readonly about: string;
  readonly audience: Audience;
  readonly parameters: readonly ReportParameterDescription[];
  readonly columns: readonly ReportColumnDescription[];
  /** Also orders that are not archived yet. */
  readonly includesCurrent: boolean;
};

/** What a reader of current orders may use to read less. It may give more: rows are filtered again. */
export type CurrentOrdersFilter = {
  readonly areas: readonly string[] | 'all';
  readonly orderId?: string;
  readonly from?: Date;
  readonly to?: Date;
};

/** Reads the operational store. A failure to read is thrown: a report without its current orders would be short. */
export type CurrentOrders = (
  filter: CurrentOrdersFilter,
  options: { signal: AbortSignal },
) => AsyncIterable<CurrentOrderRow>;

export type ProduceDeps = {
  readonly lake: Lake;
  readonly files: FileCache;
  /** Reads the archive in place of this process: Trino or Athena. */
  readonly engine?: LakeEngine;
  /** Absent: kinds that include current orders hold archived ones only. */
  readonly currentOrders?: CurrentOrders;
  /** Of one report's DuckDB; as `lastro sql`. */
  readonly limits?: {
    readonly memoryLimit?: string;
    readonly threads?: number;
    readonly temporaryParent?: string;
    readonly maxTemporarySize?: string;
  };
};

export type ProduceInput = {
  readonly request: ReportRequest;
  readonly viewer: ReportViewer;
  /** When it was asked for; printed in the file. The data is the newest there is when the file is made. */
  readonly asOf: Date;
};

export type ReportProgress = { readonly rows: number; readonly expectedRows: number };

export type ProduceOptions = {
  /** An existing folder that nobody else reads; the file appears in it under its final name when it is complete. */
  readonly folder: string;
  /**
   * Prefix of the lake's store, ending with `/`, where an engine may put objects meanwhile; whoever gives it removes what
   * a killed process leaves there. Absent: it may not, and large exports take longer on Athena.
   */
  readonly scratch?: string;
  readonly signal: AbortSignal;
  readonly progress?: (done: ReportProgress) => void;
};

export type ProducedReport = {
  readonly path: string;
  readonly rows: number;
  /** Counted by a query of its own; always equal to `rows`, or nothing would have been produced. */
  readonly expectedRows: number;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
  readonly contentType: string;
  /** Snapshot of the archive that was read; null where there was no archive yet. */
  readonly snapshotId: string | null;
};
