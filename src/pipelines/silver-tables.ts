import type { SchemaChange } from '../lake/evolution.ts';
import { currentSchema } from '../lake/metadata.ts';
import type { PrimitiveType, Type } from '../lake/schema.ts';
import {
  changeSchema,
  createTable,
  findTable,
  type Lake,
  type PartitionBy,
  type SortBy,
  type Table,
  type TableDefinition,
} from '../lake/tables.ts';
import type { Pipeline } from './declaration.ts';
import { ContractError, modesOf } from './typing.ts';

export type ResultColumn = { readonly name: string; readonly type: PrimitiveType };

/** `silver.bcb_sgs`: the newest version of every row. */
export const silverTable = (pipeline: string): string => `silver.${pipeline}`;
/** Versions that were replaced or removed, each with when it held. */
export const historyTable = (pipeline: string): string => `silver.${pipeline}_historico`;
/** Rows and values that broke the contract or a check. */
export const quarantineTable = (pipeline: string): string => `silver.${pipeline}_quarentena`;

/** Columns that every silver table has behind its own. */
export const trackColumns: TableDefinition['columns'] = [
  { name: 'valido_desde', type: 'timestamptz', required: true, doc: 'When this version was first seen' },
  {
    name: 'captura_id',
    type: 'string',
    required: true,
    doc: 'The answer in bronze that it was first seen in',
  },
  { name: 'posicao', type: 'int', required: true, doc: 'Which record of that answer, from 0' },
  { name: 'hash_linha', type: 'string', required: true },
];

const closedColumns: TableDefinition['columns'] = [
  {
    name: 'valido_ate',
    type: 'timestamptz',
    required: true,
    doc: 'When the next version, or its absence, was seen',
  },
  { name: 'motivo', type: 'string', required: true, doc: 'atualizada or removida' },
];

export const quarantineColumns: TableDefinition['columns'] = [
  { name: 'id', type: 'string', required: true, doc: 'The same for the same fault of the same record' },
  { name: 'captura_id', type: 'string', required: true, doc: 'The answer in bronze' },
  { name: 'posicao', type: 'int', required: true, doc: 'Which record of that answer, from 0' },
  { name: 'alcance', type: 'string', required: true, doc: 'linha: the row is out; valor: only the value' },
  { name: 'coluna', type: 'string' },
  { name: 'motivo', type: 'string', required: true },
  { name: 'detalhe', type: 'string' },
  { name: 'registro', type: 'string', required: true, doc: 'The record as it came, JSON' },
  { name: 'visto_em', type: 'timestamptz', required: true, doc: 'When its answer was fetched' },
  { name: 'modelo', type: 'string', required: true, doc: 'Code hash of the contract that it broke' },
];

const shown = (type: Type): string => (typeof type === 'string' ? type : type.type);

/** Widening that Iceberg allows. */
const mayWiden = (from: Type, to: PrimitiveType): boolean => {
  const decimal = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/;
  const [old, next] = [decimal.exec(shown(from)), decimal.exec(to)];
  if (old && next) return old[2] === next[2] && Number(next[1]) >= Number(old[1]);
  return (from === 'int' && to === 'long') || (from === 'float' && to === 'double');
};

/**
 * What a table has to go through to have at least these columns: new ones are added and types widened where the contract
 * lets the table evolve.
 * @throws ContractError the table may not change, or can't change so
 */
const changesFor = (
  pipeline: Pipeline,
  name: string,
  table: Table,
  columns: TableDefinition['columns'],
): SchemaChange[] => {
  const { fields } = currentSchema(table.metadata);
  const changes = columns.flatMap((column): SchemaChange[] => {
    const field = fields.find((each) => each.name === column.name);
    if (!field) return [{ add: { ...column, required: false } }];
    const type = column.type as PrimitiveType;
    if (shown(field.type).replaceAll(' ', '') === type.replaceAll(' ', '')) return [];
    if (mayWiden(field.type, type)) return [{ widen: column.name, to: type }];
    throw new ContractError(
      pipeline.name,
      `column ${column.name} of ${name} is ${shown(field.type)} and can't become ${type}: declare it under another name`,
    );
  });
  if (changes.length > 0 && modesOf(pipeline).table === 'freeze') {
    const what = changes.map((change) => {
      if ('add' in change) return `+${change.add.name}`;
      return 'widen' in change ? `${change.widen} → ${change.to}` : '';
    });
    throw new ContractError(
      pipeline.name,
      `${name} would change (${what.join(', ')}), and its contract is frozen`,
    );
  }
  return changes;
};

/** The table with at least these columns: made where it is missing. @throws ContractError as `changesFor` */
const ensureTable = async (
  lake: Lake,
  name: string,
  pipeline: Pipeline,
  definition: TableDefinition,
): Promise<Table> => {
  const found = await findTable(lake, name);
  if (!found) return createTable(lake, name, definition);
  const changes = changesFor(pipeline, name, found, definition.columns);
  return changes.length === 0 ? found : changeSchema(lake, name, changes);
};

const partitionOf = ({ silver: { partition } }: Pipeline): PartitionBy[] =>
  partition === undefined ? [] : [{ column: partition.column, transform: partition.by }];

const sortOf = ({ silver: { key } }: Pipeline): SortBy[] => key.map((column) => ({ column }));

export type SilverTables = { readonly current: Table; readonly history: Table; readonly quarantine: Table };

const ownColumns = (pipeline: Pipeline, columns: readonly ResultColumn[]): TableDefinition['columns'] =>
  columns.map(({ name, type }) => {
    const doc = pipeline.silver.columns[name]?.doc;
    return { name, type, ...(doc === undefined ? {} : { doc }) };
  });

/** What the silver table would go through for these columns. @throws ContractError it may not, or can't */
export const silverChanges = (
  pipeline: Pipeline,
  table: Table,
  columns: readonly ResultColumn[],
): SchemaChange[] =>
  changesFor(pipeline, silverTable(pipeline.name), table, [
    ...ownColumns(pipeline, columns),
    ...trackColumns,
  ]);

/** The three tables of a pipeline's silver. */
export const ensureSilver = async (
  lake: Lake,
  pipeline: Pipeline,
  columns: readonly ResultColumn[],
): Promise<SilverTables> => {
  const own = ownColumns(pipeline, columns);
  const layout = { partitionBy: partitionOf(pipeline), sortBy: sortOf(pipeline) };
  return {
    current: await ensureTable(lake, silverTable(pipeline.name), pipeline, {
      columns: [...own, ...trackColumns],
      ...layout,
    }),
    history: await ensureTable(lake, historyTable(pipeline.name), pipeline, {
      columns: [...own, ...trackColumns, ...closedColumns],
      ...layout,
    }),
    quarantine: await ensureTable(lake, quarantineTable(pipeline.name), pipeline, {
      columns: quarantineColumns,
    }),
  };
};
