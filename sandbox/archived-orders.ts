import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  appendOrderLookup,
  archivedOrdersDefinition,
  archivedOrdersTable,
  openOrderLookup,
  orderLookupTable,
  writeOrderLookup,
} from '../src/archive/archive.ts';
import type { DataFile } from '../src/lake/data-file.ts';
import { copyOptions, importDataFile, projectToTable } from '../src/lake/data-writer.ts';
import { allRows, type DuckSession, quoteText } from '../src/lake/duckdb-session.ts';
import type { FileCache } from '../src/lake/file-cache.ts';
import { compactTable } from '../src/lake/rewrite.ts';
import { append, createTable, findTable, type Lake, type Table } from '../src/lake/tables.ts';

export type ArchivedOrdersOptions = {
  readonly count: number;
  /** Default 24, up to and with `lastMonth`. */
  readonly months?: number;
  /** Default 20. */
  readonly areas?: number;
  /** `2026-10`. */
  readonly lastMonth?: string;
  readonly seed?: number;
  /** One order in so many has hostile values (quotes, line ends, formulas, emoji, right-to-left, 38 digits). */
  readonly hostileEvery?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: { orders: number; of: number }) => void;
};

/**
 * Fills the archive with made-up orders: DuckDB makes them and writes them, some 200,000 a second. The same options
 * give the same orders (with the same version of DuckDB, whose hash picks the values); the only thing that differs is
 * where the files lie. Every month is one commit, and the lookup's rows another.
 */
export const makeArchivedOrders = async (
  deps: { readonly lake: Lake; readonly session: DuckSession; readonly files: FileCache },
  options: ArchivedOrdersOptions,
): Promise<{ orders: number }> => {
  const { lake } = deps;
  const archive =
    (await findTable(lake, archivedOrdersTable)) ??
    (await createTable(lake, archivedOrdersTable, archivedOrdersDefinition));
  await openOrderLookup(lake);
  const months = monthsOf(options);
  let orders = 0;
  for (const [at, month] of months.entries()) {
    options.signal?.throwIfAborted();
    const [first, last] = [at, at + 1].map((part) => Math.floor((options.count * part) / months.length));
    if (first === undefined || last === undefined || first === last) continue;
    const add = await writeMonth(deps, archive, { ...options, first, last, month });
    const lookup = await writeOrderLookup(deps, archive, add);
    await append(lake, archivedOrdersTable, { add });
    await appendOrderLookup(lake, lookup);
    orders += last - first;
    options.onProgress?.({ orders, of: options.count });
  }
  // One file for each kind of key: a lookup then opens a few files instead of one for every month.
  if (months.length > 1) await compactTable(deps, orderLookupTable);
  return { orders };
};

type Part = ArchivedOrdersOptions & {
  readonly first: number;
  readonly last: number;
  readonly month: string;
};

/**
 * One file for each area. The whole rows are made only when they are written, area by area: `writeDataFiles` would
 * put all of the month into a table and sort it twice, which takes three times as long.
 */
const writeMonth = async (
  { lake, session }: { lake: Lake; session: DuckSession },
  archive: Table,
  part: Part,
): Promise<DataFile[]> => {
  const { connection, folder } = session;
  await connection.run(`CREATE OR REPLACE TEMP TABLE sandbox_keys AS ${keysSql(part)}`);
  const areas = await allRows(connection, 'SELECT DISTINCT area_id FROM sandbox_keys ORDER BY area_id');
  const monthNumber = Number(part.month.slice(0, 4)) * 12 + Number(part.month.slice(5)) - 1 - 1970 * 12;
  const file = join(folder, 'sandbox-orders.parquet');
  const added: DataFile[] = [];
  for (const { area_id: area } of areas) {
    const rows = `(${ordersSql(part)} WHERE area_id = ${quoteText(String(area))})`;
    // Small groups, so that one client's rows are little to read.
    await connection.run(
      `COPY (${projectToTable(archive, rows)} ORDER BY cliente_requisitante_id, data_criacao)
         TO ${quoteText(file)} (${copyOptions(archive, { rowGroupSize: 20_480 })})`,
    );
    added.push(
      await importDataFile({ lake, session }, archive, file, { partition: [monthNumber, String(area)] }),
    );
  }
  await rm(file, { force: true });
  await connection.run('DROP TABLE sandbox_keys');
  return added;
};

const monthsOf = ({ months = 24, lastMonth = '2026-10' }: ArchivedOrdersOptions): string[] => {
  const [year, month] = lastMonth.split('-').map(Number);
  return Array.from({ length: months }, (_, at) =>
    new Date(Date.UTC(year ?? 0, (month ?? 1) - months + at, 1)).toISOString().slice(0, 7),
  );
};

/** Texts that break careless writers, each in its own way. */
export const hostileTexts: readonly string[] = [
  "=cmd|' /C calc'!A0",
  '"quoted", with a comma; and a semicolon',
  'two\r\nlines\tand a tab',
  '😀 família 👨‍👩‍👧 ção',
  'שלום עולם (right to left) ‮abc',
  '12345678901234567890123456789012345678',
  '+55 11 91234-5678 and joao.silva@example.com and 123.456.789-09',
  "-1+1 ' \\ back\\slash \u0001 ]]> <b>&amp;</b>",
];

/** A number with all the digits that DynamoDB keeps. */
export const longNumber = '9876543210.1234567890123456789012345678';

const statuses = [
  'concluida',
  'concluida',
  'concluida',
  'concluida',
  'concluida',
  'cancelada',
  'expirada',
  'recusada',
];
const people = ['Ana Lima', 'Bruno Sá', 'Carla Dias', 'Davi Melo', 'Elisa Rocha', 'Fábio Nunes', 'Gil Prado'];

const list = (texts: readonly string[]): string => `[${texts.map(quoteText).join(', ')}]`;

/** A number from the order's place in the whole and `k`. */
const hashed = (seed: number, k: number): string => `(hash(i, ${seed}, ${k}) >> 2)`;

/** Who and when, of the orders `first` to `last` of the whole. A client has some eight orders, a contract two. */
const keysSql = ({ count, first, last, month, seed = 1, areas = 20, hostileEvery = 997 }: Part): string => {
  const h = (k: number): string => hashed(seed, k);
  const clients = Math.max(3, Math.floor(count / 8));
  const contracts = Math.max(1, Math.floor(count / 2));
  const client = (k: number): string => `'cli_' || lpad((${h(k)} % ${clients})::VARCHAR, 9, '0')`;
  const evil = `(${list(hostileTexts)})[1 + (${h(90)} % ${hostileTexts.length})::INT]`;
  const start = `TIMESTAMPTZ '${month}-01 00:00:00+00'`;
  const milliseconds = `(${h(9)} % date_diff('millisecond', ${start}, ${start} + INTERVAL 1 MONTH))::BIGINT`;
  return `
    SELECT i, evil,
      CASE WHEN evil THEN ${evil} END AS evil_text,
      'ord_' || lpad(to_base(${h(1)}::BIGINT, 36), 13, '0') || lpad(to_base(i, 36), 6, '0') AS ordem_id,
      'ARE' || lpad((1 + floor(pow((${h(2)} % 1000000) / 1000000.0, 1.6) * ${areas}))::INT::VARCHAR, 2, '0') AS area_id,
      CASE WHEN evil THEN ${evil} WHEN i % 10 = 0 THEN NULL
        ELSE 'CT' || lpad((${h(3)} % ${contracts})::VARCHAR, 10, '0') END AS contrato_id,
      CASE WHEN evil AND i % 3 = 0 THEN ${evil} ELSE ${client(4)} END AS cliente_requisitante_id,
      CASE WHEN evil AND i % 7 = 0 THEN NULL WHEN evil AND i % 11 = 0 THEN []
        ELSE list_slice([${client(4)}, CASE WHEN evil THEN ${evil} ELSE ${client(5)} END, ${client(6)}], 1,
          (1 + ${h(7)} % 3)::INT) END AS cliente_participante_id,
      ${start} + to_milliseconds(${milliseconds}) AS data_criacao
    FROM (SELECT i, i % ${hostileEvery} = 0 AS evil FROM (SELECT unnest(range(${first}, ${last})) AS i))`;
};

/** The whole orders of the table `sandbox_keys`. */
const ordersSql = ({ seed = 1 }: Part): string => {
  const h = (k: number): string => hashed(seed, k);
  const pick = (texts: readonly string[], k: number): string =>
    `(${list(texts)})[1 + (${h(k)} % ${texts.length})::INT]`;
  const number = (k: number, below: number): string => `(${h(k)} % ${below})::VARCHAR`;
  const phone = (k: number): string => `'+55119' || lpad(${number(k, 99_999_999)}, 8, '0')`;
  const moment = (seconds: string): string => `minute_text || '${seconds}Z'`;
  const note = `coalesce(to_json(evil_text)::VARCHAR, '"Assinatura solicitada"')`;
  const amount = (k: number, below: number, decimals: string): string =>
    `CASE WHEN evil THEN '${longNumber}' ELSE ${number(k, below)} || '${decimals}' END`;
  const event = (k: number, type: string): string =>
    `'{"tipo":"${type}","em":"' || ${moment(`0${k}.25`)} || '","ator":"' || ${pick(people, 30 + k)} || '","detalhe":' || ${k === 2 ? note : `'"passo ${k}"'`} || '}'`;
  const person = (role: string): string =>
    `'{"nome":"' || ${pick(people, 40)} || '","email":"pessoa' || ${number(41, 100_000)} || '@example.com","cpf":"' || lpad(${number(42, 99_999_999_999)}, 11, '0') || '","telefone":"' || ${phone(43)} || '","limite":' || ${amount(44, 100_000, '.25')} || ',"_atributos":{"papel":"${role}"}}'`;
  return `SELECT ordem_id, area_id, contrato_id, cliente_requisitante_id, cliente_participante_id, data_criacao,
      ${pick(statuses, 8)} AS status_ordem,
      CASE WHEN evil AND i % 2 = 0 THEN NULL
        ELSE '[{"regra":"conjunta","minimo":2,"grupos":["A","B"]},{"regra":"limite","valor":' || ${amount(50, 1_000_000, '.5')} || '}]' END AS regras_ordem,
      '{"canal":"bankline","produto":"' || ${number(51, 40)} || '","responsavel":{"nome":"' || ${pick(people, 52)} || '","email":"gerente' || ${number(53, 1000)} || '@banco.example"},"observacao":' || ${note} || ',"valor":' || ${number(54, 100_000_000)} || '}' AS metadados_ordem,
      CASE WHEN i % 5 = 0 THEN '[]'
        ELSE '[{"canal":"email","para":"pessoa' || ${number(55, 100_000)} || '@example.com","em":"' || ${moment('05')} || '"},{"canal":"sms","para":"' || ${phone(56)} || '","em":"' || ${moment('06')} || '"}]' END AS notificacoes_ordem,
      '[' || ${event(1, 'criada')} || ',' || ${event(2, 'enviada')} || ',' || ${event(3, 'assinada')} || ',' || ${event(4, 'concluida')} || ']' AS logs_eventos_ordem,
      CASE len(cliente_participante_id) WHEN 0 THEN '[]' WHEN 1 THEN '[' || ${person('requisitante')} || ']'
        WHEN 2 THEN '[' || ${person('requisitante')} || ',' || ${person('garantidor')} || ']'
        WHEN 3 THEN '[' || ${person('requisitante')} || ',' || ${person('garantidor')} || ',null]' END AS metadados_participante,
      CASE len(cliente_participante_id) WHEN 0 THEN '[]' WHEN 1 THEN '[' || participante || ']'
        WHEN 2 THEN '[' || participante || ',' || segundo || ']' WHEN 3 THEN '[' || participante || ',' || segundo || ',null]' END AS logs_eventos_participante,
      (1 + i % 3)::BIGINT AS versao,
      md5(ordem_id) || md5(i::VARCHAR) AS hash_versao,
      data_criacao + INTERVAL 120 DAY AS arquivado_em
    FROM (SELECT *, '[' || ${event(1, 'notificado')} || ',' || ${event(2, 'assinou')} || ']' AS participante,
        CASE WHEN evil THEN '[' || ${event(2, 'notificado')} || ']' ELSE '[]' END AS segundo
      FROM (SELECT *, strftime(data_criacao, '%Y-%m-%dT%H:%M:') AS minute_text FROM sandbox_keys))`;
};
