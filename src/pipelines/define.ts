import { z } from 'zod';
import { checkPrimitive } from '../lake/schema.ts';
import { UserError } from '../platform/cli.ts';
import { pgCursorSource } from './cdc/pg-cursor.ts';
import { pgLogicalSource } from './cdc/pg-logical.ts';
import { csvFile } from './csv-file.ts';
import type { Cadence, Pipeline, PipelineDeclaration, Secret } from './declaration.ts';
import { checkTemplate } from './url-template.ts';

const nameShape = /^[a-z][a-z0-9_]{0,60}$/;
const columnShape = /^[a-z][a-z0-9_]*$/;
/** Columns that silver has of its own. */
const ownColumns = ['valido_desde', 'valido_ate', 'captura_id', 'posicao', 'hash_linha', 'motivo'];

const faultsOf = (declaration: PipelineDeclaration): string[] => {
  const { name, source, silver, windows, gold = [], slices = [] } = declaration;
  const faults: string[] = [];
  const expect = (holds: boolean, message: string): void => {
    if (!holds) faults.push(message);
  };
  expect(
    nameShape.test(name),
    `name: expected lower-case letters, digits and _, found ${JSON.stringify(name)}`,
  );
  const columns = Object.keys(silver.columns);
  expect(columns.length > 0, 'silver.columns: expected at least one column');
  for (const [column, { type, from }] of Object.entries(silver.columns)) {
    expect(
      columnShape.test(column) && !ownColumns.includes(column),
      `silver.columns.${column}: expected lower-case letters, digits and _, and none of ${ownColumns.join(', ')}`,
    );
    try {
      checkPrimitive(type);
    } catch (error) {
      expect(false, `silver.columns.${column}: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (typeof from === 'object' && 'slice' in from) {
      const sliceName = from.slice;
      expect(
        slices.length > 0 && slices.every((slice) => sliceName in slice),
        `silver.columns.${column}: expected every slice to have ${JSON.stringify(sliceName)}`,
      );
    }
  }
  expect(silver.key.length > 0, 'silver.key: expected at least one column');
  if (silver.sql === undefined) {
    for (const column of [...silver.key, ...(silver.newest ?? [])]) {
      expect(columns.includes(column), `silver: ${column} is no column; there are ${columns.join(', ')}`);
    }
  } else {
    expect(/\b_registro\b/.test(silver.sql), 'silver.sql: expected it to keep the column _registro');
  }
  if (silver.deletes?.all !== undefined) {
    const newest = silver.newest ?? [];
    expect(
      newest.length > 0 && newest.every((column) => columns.includes(column)) && !('full' in windows),
      'silver.deletes.all: expected windows of hours or days, and silver.newest with columns of silver.columns, by which rows before and after it are told apart',
    );
  }
  const { partition } = silver;
  expect(
    partition === undefined || silver.sql !== undefined || columns.includes(partition.column),
    `silver.partition: ${partition?.column} is no column; there are ${columns.join(', ')}`,
  );
  if (!('full' in windows)) for (const cadence of windows) faults.push(...cadenceFaults(cadence));
  if (!('full' in windows)) {
    expect(windows.length > 0, 'windows: expected at least one cadence, or { full: true, every: … }');
    expect(
      new Set(windows.map(({ every }) => every)).size === windows.length,
      'windows: expected each cadence once',
    );
  }
  if (source.kind === 'http') {
    expect(
      URL.canParse(source.base.default),
      `source.base.default: expected a URL, found ${source.base.default}`,
    );
    faults.push(...checkTemplate(source.path, slices).map((fault) => `source.path: ${fault}`));
    if (source.body !== undefined)
      faults.push(...checkTemplate(source.body, slices).map((fault) => `source.body: ${fault}`));
    expect(source.path.startsWith('/'), 'source.path: expected it to begin with /');
  }
  for (const { kind, onFail } of declaration.checks ?? []) {
    expect(
      onFail !== 'quarantine' || ['not_null', 'accepted_values', 'range', 'reference'].includes(kind),
      `checks: ${kind} looks at more than one row and can't quarantine; expected warn or stop`,
    );
  }
  for (const table of gold) {
    expect(nameShape.test(table.name), `gold: expected a name such as selic_acumulada, found ${table.name}`);
    expect(table.key.length > 0, `gold.${table.name}.key: expected at least one column`);
  }
  expect(new Set(gold.map((table) => table.name)).size === gold.length, 'gold: expected each name once');
  faults.push(...freshnessFaults(declaration));
  return faults;
};

const freshnessFaults = ({ name, freshness, gold = [], silver }: PipelineDeclaration): string[] => {
  const own = [`silver.${name}`, ...gold.map((table) => `gold.${table.name}`)];
  const tables = freshness?.tables ?? [];
  const faults = tables.flatMap(({ table, column, by, except }) => {
    if (!own.includes(table))
      return [`freshness.tables: expected one of ${own.join(', ')}, found ${JSON.stringify(table)}`];
    const unknown = [column, ...(by === undefined ? [] : [by])].filter(
      (each) => table === own[0] && silver.sql === undefined && !(each in silver.columns),
    );
    return [
      ...unknown.map((each) => `freshness.tables.${table}: ${each} is no column`),
      ...(except !== undefined && by === undefined
        ? [`freshness.tables.${table}.except: expected \`by\`, the column whose values it names`]
        : []),
    ];
  });
  const isOnce = new Set(tables.map(({ table }) => table)).size === tables.length;
  return isOnce ? faults : [...faults, 'freshness.tables: expected each table once'];
};

const cadenceFaults = ({ from, lag, lookback, requestSpan, catchUpSpan }: Cadence): string[] => {
  const whole = (value: number | undefined, least: number, what: string): string[] =>
    value === undefined || (Number.isInteger(value) && value >= least)
      ? []
      : [`windows.${what}: expected a whole number from ${least}, found ${value}`];
  return [
    ...(/^\d{4}-\d{2}-\d{2}$/.test(from) && !Number.isNaN(Date.parse(`${from}T00:00:00Z`))
      ? []
      : [`windows.from: expected a date such as 2020-01-01, found ${JSON.stringify(from)}`]),
    ...whole(lag, 0, 'lag'),
    ...whole(lookback, 0, 'lookback'),
    ...whole(requestSpan, 1, 'requestSpan'),
    ...whole(catchUpSpan, 1, 'catchUpSpan'),
  ];
};

/**
 * Checks a declaration. The default export of a pipeline's file is what this gives.
 * @throws UserError naming everything that is wrong with it
 */
export const definePipeline = (declaration: PipelineDeclaration): Pipeline => {
  const faults = faultsOf(declaration);
  if (faults.length > 0) {
    throw new UserError(
      `pipeline ${declaration.name} is not valid:\n${faults.map((f) => `  ${f}`).join('\n')}`,
    );
  }
  return { ...declaration, checked: true };
};

/** A header's value from the environment: `secret('BCB_TOKEN', 'Bearer ')`. */
export const secret = (name: string, prefix?: string): Secret => ({
  secret: name,
  ...(prefix === undefined ? {} : { prefix }),
});

/** What a pipeline file outside of this tree is given, as it can't import from it: `export default (kit) => kit.definePipeline({…})`. */
export const pipelineKit = {
  definePipeline,
  secret,
  csvFile,
  pgCursorSource,
  pgLogicalSource,
  z,
} as const;

export type PipelineKit = typeof pipelineKit;
