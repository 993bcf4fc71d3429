import { quoteText } from '../src/lake/duckdb-session.ts';

/** What made-up orders are drawn from. The same values give the same orders. */
export type MadeUp = {
  /** Of all orders: there are an eighth as many clients and half as many contracts. */
  readonly count: number;
  readonly areas: number;
  readonly seed: number;
  /** One order in so many has hostile values (quotes, line ends, formulas, emoji, right-to-left, 38 digits). */
  readonly hostileEvery: number;
};

/** Texts that break careless writers, each in its own way. */
const hostileTexts: readonly string[] = [
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
const longNumber = '9876543210.1234567890123456789012345678';

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

/** A number from the order's place `i` in the whole and `k`. */
const hashed = ({ seed }: MadeUp, k: number): string => `(hash(i, ${seed}, ${k}) >> 2)`;

const picked = (texts: readonly string[], number: string): string =>
  `([${texts.map(quoteText).join(', ')}])[1 + (${number} % ${texts.length})::INT]`;

/**
 * Who and when, of the orders `first` to `last` of the whole, all in one month (`2026-10`). Narrow, to be sorted.
 * Instants are made from numbers: arithmetic with zones and intervals takes longer than everything else here.
 */
export const orderKeysSql = (
  made: MadeUp,
  { first, last, month }: { first: number; last: number; month: string },
): string => {
  const h = (k: number): string => hashed(made, k);
  const clients = Math.max(3, Math.floor(made.count / 8));
  const contracts = Math.max(1, Math.floor(made.count / 2));
  const client = (k: number): string => `'cli_' || lpad((${h(k)} % ${clients})::VARCHAR, 9, '0')`;
  const evil = picked(hostileTexts, h(90));
  const [year = 0, number = 0] = month.split('-').map(Number);
  const [start, end] = [Date.UTC(year, number - 1), Date.UTC(year, number)];
  return `
    SELECT i, evil,
      CASE WHEN evil THEN ${evil} END AS evil_text,
      'ord_' || lpad(to_base(${h(1)}::BIGINT, 36), 13, '0') || lpad(to_base(i, 36), 6, '0') AS ordem_id,
      'ARE' || lpad((1 + floor(pow((${h(2)} % 1000000) / 1000000.0, 1.6) * ${made.areas}))::INT::VARCHAR, 2, '0') AS area_id,
      CASE WHEN evil THEN ${evil} WHEN i % 10 = 0 THEN NULL
        ELSE 'CT' || lpad((${h(3)} % ${contracts})::VARCHAR, 10, '0') END AS contrato_id,
      CASE WHEN evil AND i % 3 = 0 THEN ${evil} ELSE ${client(4)} END AS cliente_requisitante_id,
      CASE WHEN evil AND i % 7 = 0 THEN NULL WHEN evil AND i % 11 = 0 THEN []
        ELSE list_slice([${client(4)}, CASE WHEN evil THEN ${evil} ELSE ${client(5)} END, ${client(6)}], 1,
          (1 + ${h(7)} % 3)::INT) END AS cliente_participante_id,
      make_timestamptz(1000 * (${start} + ${h(9)} % ${end - start})::BIGINT) AS data_criacao
    FROM (SELECT i, i % ${made.hostileEvery} = 0 AS evil FROM range(${first}, ${last}) AS numbers(i))`;
};

/**
 * The whole orders of a relation of keys, in its order. One `concat` for each document: a chain of `||` copies the
 * text once for each of its pieces, and takes longer to plan than a small month takes to write.
 */
export const ordersSql = (made: MadeUp, keys: string): string => {
  const h = (k: number): string => hashed(made, k);
  const text = (...parts: readonly string[]): string => `concat(${parts.join(', ')})`;
  const json = quoteText;
  const number = (k: number, below: number): string => `${h(k)} % ${below}`;
  const name = (k: number): string => picked(people, h(k));
  const phone = (k: number): string =>
    text(json('+55119'), `lpad((${number(k, 99_999_999)})::VARCHAR, 8, '0')`);
  const note = `coalesce(to_json(evil_text)::VARCHAR, '"Assinatura solicitada"')`;
  const amount = (k: number, below: number, decimals: string): string =>
    `CASE WHEN evil THEN '${longNumber}' ELSE ${text(number(k, below), json(decimals))} END`;
  const event = (k: number, type: string): string =>
    text(
      ...[json(`{"tipo":"${type}","em":"`), 'minute_text', json(`0${k}.25Z","ator":"`), name(30 + k)],
      ...[json('","detalhe":'), k === 2 ? note : json(`"passo ${k}"`), json('}')],
    );
  const person = (role: string): string =>
    text(
      ...[json('{"nome":"'), name(40), json('","email":"pessoa'), number(41, 100_000)],
      ...[json('@example.com","cpf":"'), `lpad((${number(42, 99_999_999_999)})::VARCHAR, 11, '0')`],
      ...[json('","telefone":"'), phone(43), json('","limite":'), amount(44, 100_000, '.25')],
      json(`,"_atributos":{"papel":"${role}"}}`),
    );
  const perParticipant = (one: string, other: string): string =>
    `CASE len(cliente_participante_id) WHEN 0 THEN '[]' WHEN 1 THEN ${text("'['", one, "']'")}
       WHEN 2 THEN ${text("'['", one, "','", other, "']'")} WHEN 3 THEN ${text("'['", one, "','", other, "',null]'")} END`;
  const rules = text(
    ...[json('[{"regra":"conjunta","minimo":2,"grupos":["A","B"]},{"regra":"limite","valor":')],
    ...[amount(50, 1_000_000, '.5'), json('}]')],
  );
  const metadata = text(
    ...[json('{"canal":"bankline","produto":"'), number(51, 40), json('","responsavel":{"nome":"'), name(52)],
    ...[json('","email":"gerente'), number(53, 1000), json('@banco.example"},"observacao":'), note],
    ...[json(',"valor":'), number(54, 100_000_000), json('}')],
  );
  const notifications = text(
    ...[json('[{"canal":"email","para":"pessoa'), number(55, 100_000), json('@example.com","em":"')],
    ...['minute_text', json('05Z"},{"canal":"sms","para":"'), phone(56), json('","em":"')],
    ...['minute_text', json('06Z"}]')],
  );
  const events = [event(1, 'criada'), event(2, 'enviada'), event(3, 'assinada'), event(4, 'concluida')];
  const firstLog = text("'['", event(1, 'notificado'), "','", event(2, 'assinou'), "']'");
  const secondLog = `CASE WHEN evil THEN ${text("'['", event(2, 'notificado'), "']'")} ELSE '[]' END`;
  return `SELECT ordem_id, area_id, contrato_id, cliente_requisitante_id, cliente_participante_id, data_criacao,
      ${picked(statuses, h(8))} AS status_ordem,
      CASE WHEN evil AND i % 2 = 0 THEN NULL ELSE ${rules} END AS regras_ordem,
      ${metadata} AS metadados_ordem,
      CASE WHEN i % 5 = 0 THEN '[]' ELSE ${notifications} END AS notificacoes_ordem,
      ${text("'['", events.join(", ',', "), "']'")} AS logs_eventos_ordem,
      ${perParticipant(person('requisitante'), person('garantidor'))} AS metadados_participante,
      ${perParticipant(firstLog, secondLog)} AS logs_eventos_participante,
      (1 + i % 3)::BIGINT AS versao,
      concat(md5(ordem_id), md5(i::VARCHAR)) AS hash_versao,
      make_timestamptz(epoch_us(data_criacao) + ${120 * 86_400_000_000}) AS arquivado_em
    FROM (SELECT *, strftime(make_timestamp(epoch_us(data_criacao)), '%Y-%m-%dT%H:%M:') AS minute_text FROM ${keys})`;
};
