import type { DuckDBConnection } from '@duckdb/node-api';
import type { Gold, Pipeline, SilverColumn } from '../declaration.ts';
import type { InfluencingColumn, Origin } from './origins.ts';
import { type ColumnsOf, type SqlLineage, sqlLineage } from './sql-lineage.ts';

export type Layer = 'source' | 'bronze' | 'silver' | 'gold';

export type LineageField = {
  readonly name: string;
  readonly type?: string;
  readonly doc?: string;
  readonly origins: readonly Origin[];
};

/** A table, or the API behind it, with where each of its columns comes from. `table` of an origin is a dataset's name. */
export type Dataset = {
  readonly name: string;
  readonly layer: Layer;
  /** What makes it: of which pipeline, and its SQL where it is made by SQL. */
  readonly pipeline: string;
  readonly sql?: string;
  /** Base address or kind, of a source. */
  readonly address?: string;
  /** Datasets that it is made of. */
  readonly reads: readonly string[];
  readonly fields: readonly LineageField[];
  readonly influences: readonly InfluencingColumn[];
  /** Columns that lineage could not follow. */
  readonly unresolved: readonly string[];
};

/** Columns that every silver table has beside its own; see the docs. */
const trackFields = ['valido_desde', 'captura_id', 'posicao', 'hash_linha'] as const;

const source = ({ name, source: from }: Pipeline, fields: readonly LineageField[]): Dataset => ({
  name: `source.${name}`,
  layer: 'source',
  pipeline: name,
  address: from.kind === 'http' ? `${from.base.default}${from.path}` : from.name,
  reads: [],
  fields,
  influences: [],
  unresolved: [],
});

const identity = (table: string, column: string): Origin => ({ table, column, derivation: 'IDENTITY' });

/** A column of the contract: which field of the answers, or of the request, it is. */
type Contracted = { readonly column: string; readonly field: string; readonly declared: SilverColumn };

const contracted = ({ silver }: Pipeline): Contracted[] =>
  Object.entries(silver.columns).map(([column, declared]) => {
    const { from = column } = declared;
    if (typeof from === 'string') return { column, declared, field: from };
    return {
      column,
      declared,
      field: 'slice' in from ? `fatia.${from.slice}` : `pedido_${from.request === 'from' ? 'de' : 'ate'}`,
    };
  });

/** Whether a field stands in the request, not in the answer. */
const isOfRequest = (field: string): boolean => field.startsWith('fatia.') || field.startsWith('pedido_');

const bronzeField = (field: string): string => (isOfRequest(field) ? field : `corpo.${field}`);

/** A value is taken over where its type is the text that came; everything else is read by the contract. */
const isConverted = ({ type, format, decimal }: SilverColumn): boolean =>
  type !== 'string' || format !== undefined || decimal !== undefined;

const bronze = (pipeline: Pipeline, columns: readonly Contracted[]): Dataset => ({
  name: `bronze.${pipeline.name}`,
  layer: 'bronze',
  pipeline: pipeline.name,
  reads: [`source.${pipeline.name}`],
  fields: unique(columns.map(({ field }) => field)).map((field) => ({
    name: bronzeField(field),
    origins: isOfRequest(field) ? [] : [identity(`source.${pipeline.name}`, field)],
  })),
  influences: [],
  unresolved: [],
});

const unique = (values: readonly string[]): string[] => [...new Set(values)];

const records = 'contrato.registros';

const silver = async (
  connection: DuckDBConnection,
  pipeline: Pipeline,
  columns: readonly Contracted[],
): Promise<Dataset> => {
  const from = `bronze.${pipeline.name}`;
  const byColumn = new Map(
    columns.map(({ column, field, declared }): [string, Origin] => [
      column,
      {
        table: from,
        column: bronzeField(field),
        derivation: isConverted(declared) ? 'TRANSFORMATION' : 'IDENTITY',
      },
    ]),
  );
  const { sql } = pipeline.silver;
  // The contract's records stand behind the unqualified name `registros`.
  const read: SqlLineage | undefined =
    sql === undefined
      ? undefined
      : await sqlLineage(
          connection,
          `WITH registros AS (SELECT * FROM ${records}) SELECT * FROM (${sql}\n)`,
          (table) => (table === records ? [...byColumn.keys(), '_registro'] : undefined),
        );
  const follow = ({ column, derivation }: Origin): Origin[] => {
    const origin = byColumn.get(column);
    if (!origin) return [];
    return [derivation === 'IDENTITY' ? origin : { ...origin, derivation }];
  };
  const fields = read
    ? read.columns
        .filter(({ name }) => name !== '_registro')
        .map(({ name, origins }) => ({ name, origins: origins.flatMap(follow) }))
    : [...byColumn].map(([name, origin]) => ({ name, origins: [origin] }));
  return {
    name: `silver.${pipeline.name}`,
    layer: 'silver',
    pipeline: pipeline.name,
    ...(sql === undefined ? {} : { sql }),
    reads: [from],
    fields: fields.map((field) => {
      const declared = pipeline.silver.columns[field.name];
      return {
        ...field,
        ...(declared === undefined ? {} : { type: declared.type }),
        ...(declared?.doc === undefined ? {} : { doc: declared.doc }),
      };
    }),
    influences: (read?.influences ?? []).flatMap((each) => {
      const origin = byColumn.get(each.column);
      return origin ? [{ ...each, table: origin.table, column: origin.column }] : [];
    }),
    unresolved: read?.unresolved ?? [],
  };
};

const gold = async (
  connection: DuckDBConnection,
  pipeline: Pipeline,
  { name, sql }: Gold,
  columnsOf: ColumnsOf,
): Promise<Dataset> => {
  const read = await sqlLineage(connection, sql, columnsOf);
  return {
    name: `gold.${name}`,
    layer: 'gold',
    pipeline: pipeline.name,
    sql,
    reads: read.tables,
    fields: read.columns,
    influences: read.influences,
    unresolved: read.unresolved,
  };
};

/**
 * Every dataset of the pipelines with the lineage of its columns, each after those that it is made of. It comes from the
 * declarations and the SQL alone: nothing is run and no table has to exist.
 * @throws QueryError for SQL that can't be parsed
 */
export const pipelineLineage = async (
  connection: DuckDBConnection,
  pipelines: readonly Pipeline[],
): Promise<Dataset[]> => {
  const datasets: Dataset[] = [];
  const columns = new Map<string, string[]>();
  const add = (dataset: Dataset, more: readonly string[] = []): void => {
    datasets.push(dataset);
    columns.set(dataset.name, [...dataset.fields.map(({ name }) => name), ...more]);
  };
  for (const pipeline of pipelines) {
    const own = contracted(pipeline);
    const fields = unique(own.map(({ field }) => field)).filter((field) => !isOfRequest(field));
    add(
      source(
        pipeline,
        fields.map((name) => ({ name, origins: [] })),
      ),
    );
    add(bronze(pipeline, own));
    add(await silver(connection, pipeline, own), trackFields);
    columns.set(`silver.${pipeline.name}_historico`, [
      ...(columns.get(`silver.${pipeline.name}`) ?? []),
      'valido_ate',
      'motivo',
    ]);
  }
  let waiting = pipelines.flatMap((pipeline) => (pipeline.gold ?? []).map((table) => ({ pipeline, table })));
  while (waiting.length > 0) {
    const left: typeof waiting = [];
    const missing = new Set(waiting.map(({ table }) => `gold.${table.name}`));
    for (const each of waiting) {
      const dataset = await gold(connection, each.pipeline, each.table, (name) => columns.get(name));
      if (dataset.reads.some((name) => missing.has(name) && !columns.has(name))) left.push(each);
      else add(dataset);
    }
    if (left.length === waiting.length) {
      throw new Error(
        `gold tables read one another in a circle: ${left.map(({ table }) => table.name).join(', ')}`,
      );
    }
    waiting = left;
  }
  return datasets;
};

/**
 * What belongs to a name: a pipeline (`bcb_sgs`) with everything that is made of it, or a table (`gold.selic_mensal`,
 * `silver.bcb_sgs`) with everything that it is made of. In order.
 */
export const lineageOf = (datasets: readonly Dataset[], name: string): Dataset[] => {
  const chosen = new Set<string>();
  const upstream = (one: string): void => {
    const dataset = datasets.find((each) => each.name === one);
    if (!dataset || chosen.has(one)) return;
    chosen.add(one);
    dataset.reads.forEach(upstream);
  };
  if (datasets.some((each) => each.name === name)) {
    upstream(name);
    return datasets.filter((each) => chosen.has(each.name));
  }
  for (const { name: own, pipeline, reads } of datasets) {
    if (pipeline === name || reads.some((table) => chosen.has(table))) chosen.add(own);
  }
  for (const own of [...chosen]) {
    chosen.delete(own);
    upstream(own);
  }
  return datasets.filter((each) => chosen.has(each.name));
};
