import { BIGINT, INTEGER, TIMESTAMPTZ, timestampTZValue, VARCHAR } from '@duckdb/node-api';
import { Ajv } from 'ajv';
import { z } from 'zod';
import { allRows, type DuckSession, quoteName, quoteText } from '../lake/duckdb-session.ts';
import { maskText } from '../shared/mask.ts';
import type { ContractMode, Pipeline, RecordSchema, SilverColumn, Slice } from './declaration.ts';
import { at, type JsonKind, jsonText, listAt, parseExactly, textOf, valueText } from './records.ts';
import { openStage } from './session-stage.ts';
import { castSql, textColumn, variantColumn } from './typing-sql.ts';
import { formatInstant } from './url-template.ts';

/** The data no longer fits the contract, in a column or as a whole, and the contract says to stop. */
export class ContractError extends Error {
  constructor(pipeline: string, message: string) {
    // Values may be personal data; the quarantine and bronze have them whole.
    super(maskText(`${pipeline}: the contract is broken: ${message}`));
    this.name = 'ContractError';
  }
}

/** A body with what is known of it. */
export type Body = {
  readonly captureId: string;
  readonly setId: string;
  readonly fetchedAt: Date;
  readonly slice: Slice;
  readonly rangeFrom: Date;
  readonly rangeTo: Date;
  readonly bytes: Uint8Array;
};

export type Typed = {
  readonly records: number;
  /** Columns of `registros` beside `_registro`: the declared ones, then those that evolved. */
  readonly columns: readonly { readonly name: string; readonly type: SilverColumn['type'] }[];
  /** What people should know: fields that are gone, fields that are new. */
  readonly notices: readonly string[];
};

/** `apaga`: the record is a row; its key is gone; all keys are gone (see emptied.ts). */
const [kept, keyGone, allGone] = [0, 1, 2];

/** Modes with their defaults. */
export const modesOf = ({ silver }: Pipeline): Required<NonNullable<Pipeline['silver']['contract']>> => ({
  table: 'evolve',
  columns: 'evolve',
  types: 'quarantine_row',
  ...silver.contract,
});

const originText = (
  column: SilverColumn,
  name: string,
  record: unknown,
  body: Body,
): { text: string | null; kind: JsonKind } => {
  const from = column.from ?? name;
  if (typeof from === 'string') return valueText(at(record, from));
  if ('slice' in from) return { text: body.slice[from.slice] ?? null, kind: 'string' };
  const instant = from.request === 'from' ? body.rangeFrom : body.rangeTo;
  const format = column.format ?? (column.type === 'date' ? 'date' : 'iso');
  return { text: formatInstant(instant, format), kind: 'string' };
};

/** Checks a record against the declared schema: what is wrong with it, or undefined. */
const openSchemaCheck = (schema: RecordSchema | undefined): ((record: unknown) => string | undefined) => {
  if (schema === undefined) return () => undefined;
  if (schema instanceof z.ZodType) {
    return (record) => {
      const parsed = schema.safeParse(record);
      const [issue] = parsed.error?.issues ?? [];
      return issue && `${issue.path.join('.') || 'record'}: ${issue.message}`;
    };
  }
  const validate = new Ajv({ strict: false }).compile(schema);
  return (record) => {
    if (validate(record)) return undefined;
    const [error] = validate.errors ?? [];
    return `${error?.instancePath || 'record'} ${error?.message ?? 'is not valid'}`;
  };
};

const fieldColumn = (field: string, taken: ReadonlySet<string>): string => {
  const plain = field
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .normalize('NFD')
    .replaceAll(/[^a-z0-9_]/g, '_')
    .replace(/^(?=[^a-z])/, 'c_');
  return taken.has(plain) ? `${plain}__novo` : plain;
};

const answerColumns = [
  { name: 'resposta', type: INTEGER, sql: 'INTEGER' },
  { name: 'captura_id', type: VARCHAR, sql: 'VARCHAR' },
  { name: 'conjunto_id', type: VARCHAR, sql: 'VARCHAR' },
  { name: 'visto', type: TIMESTAMPTZ, sql: 'TIMESTAMPTZ' },
];

const violationColumns = [
  { name: '_registro', type: BIGINT, sql: 'BIGINT' },
  { name: 'coluna', type: VARCHAR, sql: 'VARCHAR' },
  { name: 'motivo', type: VARCHAR, sql: 'VARCHAR' },
  { name: 'detalhe', type: VARCHAR, sql: 'VARCHAR' },
  { name: 'alcance', type: VARCHAR, sql: 'VARCHAR' },
];

/**
 * Reads bodies into DuckDB, record by record and body by body, so that memory does not grow with them. Makes, in the
 * session:
 *
 * - `brutos`: `_registro, captura_id, conjunto_id, posicao, visto, apaga` and a text for each column; a view of `textos`
 *   and `respostas`, as a value costs a call into DuckDB, and those of an answer are the same in all of its records
 * - `registros`: `_registro` and the typed columns, for the rows that keep to the contract
 * - `chaves`: `_registro` and the typed columns of *all* rows, for whoever has to know which keys were seen
 * - `violacoes`: `_registro, coluna, motivo, detalhe, alcance` (`linha`: the row is out; `valor`: the value is)
 *
 * @throws ContractError where the contract says to stop
 */
export const typeRecords = async (
  session: DuckSession,
  pipeline: Pipeline,
  bodies: AsyncIterable<Body>,
): Promise<Typed> => {
  const { silver } = pipeline;
  const columns = Object.entries(silver.columns);
  const answers = await openStage(session, 'respostas', answerColumns);
  const stage = await openStage(session, 'textos', [
    { name: '_registro', type: BIGINT, sql: 'BIGINT' },
    { name: 'resposta', type: INTEGER, sql: 'INTEGER' },
    { name: 'posicao', type: INTEGER, sql: 'INTEGER' },
    { name: 'apaga', type: INTEGER, sql: 'INTEGER' },
    { name: 'outros', type: VARCHAR, sql: 'VARCHAR' },
    ...columns.map(([name]) => ({ name: textColumn(name), type: VARCHAR, sql: 'VARCHAR' })),
  ]);
  const violations = await openStage(session, 'violacoes', violationColumns);
  const reading = openReading(pipeline, (record, column, reason, detail, scope) =>
    violations.add([record, column, reason, detail, scope]),
  );
  let next = 0n;
  let answer = 0;
  for await (const body of bodies) {
    const text = textOf(body.bytes);
    const list = text === '' ? [] : listAt(parseExactly(text), pipeline.source.records);
    const plain =
      silver.schema && text !== '' ? listAt(JSON.parse(text), pipeline.source.records) : undefined;
    const seen = timestampTZValue(BigInt(body.fetchedAt.getTime()) * 1000n);
    answers.add([++answer, body.captureId, body.setId, seen]);
    for (const [position, record] of list.entries()) {
      const row = reading.row(next, record, plain?.[position], body);
      const place = [next, answer, position, row.deletes, row.others];
      stage.add([...place, ...row.texts]);
      next++;
    }
  }
  stage.close();
  answers.close();
  await session.connection.run(
    'CREATE OR REPLACE VIEW brutos AS SELECT t.*, r.captura_id, r.conjunto_id, r.visto FROM textos t JOIN respostas r USING (resposta)',
  );
  violations.close();
  const notices = reading.notices(Number(next));
  const evolved = await castRecords(session, pipeline);
  const declared = columns.map(([name, { type }]) => ({ name, type }));
  return { records: Number(next), columns: [...declared, ...evolved], notices };
};

type Violate = (
  record: bigint,
  column: string | null,
  reason: string,
  detail: string,
  scope: 'linha' | 'valor',
) => void;

/** The part of the contract that needs the record as JSON: fields, JSON types, the schema. */
const openReading = (pipeline: Pipeline, violate: Violate) => {
  const { silver, name } = pipeline;
  const columns = Object.entries(silver.columns);
  const modes = modesOf(pipeline);
  const check = openSchemaCheck(silver.schema);
  const roots = new Set(
    [...columns.map(([column, { from }]) => from ?? column), silver.deletes?.field].flatMap((path) =>
      typeof path === 'string' ? [path, path.split('.')[0] ?? path] : [],
    ),
  );
  const missing = new Map<string, number>();
  const fresh = new Set<string>();
  const break_ = (
    record: bigint,
    column: string | null,
    reason: string,
    detail: string,
    mode: ContractMode,
  ): void => {
    if (mode === 'freeze') {
      throw new ContractError(name, `${column === null ? 'a record' : `"${column}"`}: ${reason}, ${detail}`);
    }
    violate(
      record,
      column,
      reason,
      detail,
      mode === 'quarantine_value' && column !== null ? 'valor' : 'linha',
    );
  };
  const othersOf = (id: bigint, record: object): string | null => {
    const others = Object.entries(record).filter(([field]) => !roots.has(field));
    if (others.length === 0) return null;
    if (modes.columns !== 'evolve') {
      for (const [field, value] of others) {
        break_(id, field, 'campo_novo', jsonText(value).slice(0, 500), modes.columns);
      }
      return null;
    }
    for (const [field] of others) fresh.add(field);
    return JSON.stringify(Object.fromEntries(others.map(([field, value]) => [field, valueText(value).text])));
  };
  return {
    row: (id: bigint, record: unknown, plain: unknown, body: Body) => {
      if (typeof record !== 'object' || record === null || Array.isArray(record)) {
        const mode = modes.types === 'evolve' ? 'quarantine_row' : modes.types;
        break_(id, null, 'nao_e_objeto', jsonText(record).slice(0, 500), mode);
        return { texts: columns.map(() => null), others: null, deletes: kept };
      }
      const { deletes } = silver;
      const op = deletes && valueText(at(record, deletes.field)).text;
      const gone =
        op === undefined ? kept : op === deletes?.value ? keyGone : op === deletes?.all ? allGone : kept;
      const fault = plain === undefined || gone === allGone ? undefined : check(plain);
      if (fault !== undefined) {
        break_(id, null, 'esquema', fault, modes.types === 'freeze' ? 'freeze' : 'quarantine_row');
      }
      const texts = columns.map(([column, declared]) => {
        const { text, kind } = originText(declared, column, record, body);
        if (kind === 'absent' && gone !== allGone) missing.set(column, (missing.get(column) ?? 0) + 1);
        if (declared.json !== undefined && text !== null && kind !== declared.json) {
          const mode = modes.types === 'evolve' ? 'quarantine_row' : modes.types;
          break_(
            id,
            column,
            'tipo_json',
            `expected ${declared.json}, found ${kind} ${text.slice(0, 200)}`,
            mode,
          );
          return mode === 'quarantine_value' ? null : text;
        }
        return text;
      });
      return { texts, others: othersOf(id, record), deletes: gone };
    },
    notices: (records: number): string[] => {
      const gone = [...missing]
        .filter(([, count]) => records > 0 && count === records)
        .map(([column]) => column);
      if (gone.length > 0 && modes.columns === 'freeze') {
        throw new ContractError(
          name,
          `no record has ${gone.map((column) => `"${column}"`).join(', ')} any more`,
        );
      }
      return [
        ...gone.map((column) => `no record has the field of column ${column}`),
        ...[...fresh].sort().map((field) => `new field ${JSON.stringify(field)}: taken as a text column`),
      ];
    },
  };
};

/** The part of the contract that SQL checks: each text against its column's type. Answers the columns that evolved. */
const castRecords = async (
  session: DuckSession,
  pipeline: Pipeline,
): Promise<{ name: string; type: 'string' }[]> => {
  const { connection } = session;
  const { silver } = pipeline;
  const modes = modesOf(pipeline);
  const columns = Object.entries(silver.columns);
  const required = (name: string, column: SilverColumn): boolean =>
    column.required === true || silver.key.includes(name);
  const others = await allRows(
    connection,
    'SELECT DISTINCT unnest(json_keys(outros)) AS field FROM textos WHERE outros IS NOT NULL ORDER BY field',
  );
  const taken = new Set(columns.map(([name]) => name));
  const added = others.map(({ field }) => {
    const name = fieldColumn(String(field), taken);
    taken.add(name);
    return { name, sql: `json_extract_string(outros, ${quoteText(`$.${JSON.stringify(String(field))}`)})` };
  });
  const typed = columns.map(([name, column]) => `${castSql(column, textColumn(name))} AS ${quoteName(name)}`);
  const extra = added.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`);
  await connection.run(
    `CREATE OR REPLACE TABLE chaves AS SELECT _registro, ${[...typed, ...extra].join(', ')} FROM textos`,
  );

  for (const [name, column] of columns) {
    const lost = `c.${quoteName(name)} IS NULL AND b.${textColumn(name)} IS NOT NULL`;
    const mode = modes.types === 'evolve' && !required(name, column) ? 'evolve' : modes.types;
    const scope = mode === 'quarantine_value' && !required(name, column) ? 'valor' : 'linha';
    const detail = `'expected ${column.type}, found ' || left(b.${textColumn(name)}, 200)`;
    if (mode !== 'evolve') {
      await connection.run(
        `INSERT INTO violacoes SELECT c._registro, ${quoteText(name)}, 'tipo', ${detail}, '${scope}'
         FROM chaves c JOIN textos b USING (_registro) WHERE ${lost}`,
      );
    }
    if (!required(name, column)) continue;
    await connection.run(
      `INSERT INTO violacoes SELECT c._registro, ${quoteText(name)}, 'ausente', 'expected a value, found none', 'linha'
       FROM chaves c JOIN textos b USING (_registro) WHERE b.${textColumn(name)} IS NULL AND ${silver.key.includes(name) ? `b.apaga <> ${allGone}` : `b.apaga = ${kept}`}
         AND c._registro NOT IN (SELECT _registro FROM violacoes WHERE alcance = 'linha')`,
    );
  }
  if (modes.types === 'freeze') {
    const [first] = await allRows(
      connection,
      `SELECT coluna, motivo, detalhe FROM violacoes WHERE alcance = 'linha' ORDER BY _registro LIMIT 1`,
    );
    if (first)
      throw new ContractError(pipeline.name, `"${first['coluna']}": ${first['motivo']}, ${first['detalhe']}`);
  }
  const variants =
    modes.types === 'evolve'
      ? await variantsOf(
          session,
          columns.filter(([n, c]) => !required(n, c)),
        )
      : [];
  const variantSql = variants.map(
    (name) =>
      `CASE WHEN c.${quoteName(name)} IS NULL THEN b.${textColumn(name)} END AS ${quoteName(variantColumn(name))}`,
  );
  await connection.run(
    `CREATE OR REPLACE TABLE registros AS SELECT ${['c.*', ...variantSql].join(', ')}
     FROM chaves c ${variants.length > 0 ? 'JOIN textos b USING (_registro)' : ''}
     WHERE c._registro NOT IN (SELECT _registro FROM violacoes WHERE alcance = 'linha')${
       silver.deletes?.all === undefined
         ? ''
         : ` AND c._registro NOT IN (SELECT _registro FROM textos WHERE apaga = ${allGone})`
     }`,
  );
  return [
    ...added.map(({ name }) => ({ name, type: 'string' as const })),
    ...variants.map((name) => ({ name: variantColumn(name), type: 'string' as const })),
  ];
};

const variantsOf = async (
  session: DuckSession,
  columns: readonly [string, SilverColumn][],
): Promise<string[]> => {
  const names: string[] = [];
  for (const [name] of columns) {
    const [found] = await allRows(
      session.connection,
      `SELECT 1 AS hit FROM chaves c JOIN textos b USING (_registro) WHERE c.${quoteName(name)} IS NULL AND b.${textColumn(name)} IS NOT NULL LIMIT 1`,
    );
    if (found) names.push(name);
  }
  return names;
};
