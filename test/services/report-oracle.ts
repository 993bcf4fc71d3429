import { isLosslessNumber, LosslessNumber, parse } from 'lossless-json';
import { maskCpf, maskText } from '../../src/shared/mask.ts';

/** A row of the archive as plain values: instants in milliseconds, JSON columns as text. */
export type SourceRow = {
  readonly ordem_id: string;
  readonly area_id: string;
  readonly contrato_id: string | null;
  readonly cliente_requisitante_id: string;
  readonly cliente_participante_id: readonly string[] | null;
  readonly data_criacao: number;
  readonly status_ordem: string;
  readonly regras_ordem: string | null;
  readonly metadados_ordem: string | null;
  readonly notificacoes_ordem: string | null;
  readonly logs_eventos_ordem: string | null;
  readonly metadados_participante: string | null;
  readonly logs_eventos_participante: string | null;
  readonly versao: string | null;
  readonly arquivado_em: number | null;
};

/** JSON columns are canonical text of `comparable`; instants milliseconds; integers digits; lists JSON text. */
export type ExpectedRow = { readonly [column: string]: string | null };

type Filter = (row: SourceRow) => boolean;

/** What must not be changed in a document, as one text: numbers with their digits, members sorted. */
export const comparable = (value: unknown): string => {
  if (isLosslessNumber(value)) return `#${value.value}`;
  if (Array.isArray(value)) return `[${value.map(comparable).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, member]) => `${JSON.stringify(key)}:${comparable(member)}`,
    );
    return `{${members.sort().join(',')}}`;
  }
  return JSON.stringify(value);
};

const masked = (value: unknown): unknown => {
  if (typeof value === 'string') return maskText(value);
  if (isLosslessNumber(value)) return /^\d{11}$/.test(value.value) ? maskCpf(value.value) : value;
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [maskText(key), masked(member)]));
  return value;
};

const document = (text: string | null): unknown =>
  text === null ? null : parse(text, undefined, (digits) => new LosslessNumber(digits));

const elements = (text: string | null): unknown[] => {
  const value = document(text);
  if (value === null) return [];
  return Array.isArray(value) ? value : [value];
};

const base = (row: SourceRow): ExpectedRow => ({
  ordem_id: row.ordem_id,
  area_id: row.area_id,
  data_criacao: String(row.data_criacao),
  status_ordem: row.status_ordem,
});

const order = (row: SourceRow): ExpectedRow => ({
  ...base(row),
  contrato_id: row.contrato_id,
  cliente_requisitante_id: row.cliente_requisitante_id,
  cliente_participante_id:
    row.cliente_participante_id === null ? null : JSON.stringify(row.cliente_participante_id),
  versao: row.versao,
  arquivado_em: row.arquivado_em === null ? null : String(row.arquivado_em),
});

const json = (value: unknown): string | null => (value === undefined ? null : comparable(value));

const each = (row: SourceRow, items: unknown[], name: string): ExpectedRow[] =>
  items.map((item, at) => ({ ...base(row), posicao: String(at + 1), [name]: json(item) }));

const places = (row: SourceRow, participant: string | undefined): { id: string; at: number }[] =>
  (row.cliente_participante_id ?? [])
    .map((id, at) => ({ id, at }))
    .filter(({ id }) => participant === undefined || id === participant);

type Explode = (row: SourceRow, participant: string | undefined) => ExpectedRow[];

const explode: Record<string, Explode> = {
  'client-orders': (row) => {
    const {
      contrato_id: _c,
      cliente_requisitante_id: _r,
      versao: _v,
      arquivado_em: _a,
      ...kept
    } = order(row);
    return [kept];
  },
  'area-orders': (row) => [order(row)],
  'contract-orders': (row) => [order(row)],
  'requester-orders': (row) => [order(row)],
  'participant-orders': (row) => [order(row)],
  'order-participants': (row) =>
    places(row, undefined).map(({ id, at }) => {
      const entry = elements(row.metadados_participante)[at] as { _atributos?: { papel?: string } } | null;
      return {
        ...base(row),
        posicao: String(at + 1),
        cliente_participante_id: id,
        papel: entry?._atributos?.papel ?? null,
      };
    }),
  'order-rules': (row) => each(row, elements(row.regras_ordem), 'regra'),
  'order-metadata': (row) => [
    { ...base(row), metadados: row.metadados_ordem === null ? null : json(document(row.metadados_ordem)) },
  ],
  'order-notifications': (row) => each(row, elements(row.notificacoes_ordem), 'notificacao'),
  'order-events': (row) => each(row, elements(row.logs_eventos_ordem), 'evento'),
  'participant-metadata': (row, participant) =>
    places(row, participant).map(({ id, at }) => ({
      ...base(row),
      posicao: String(at + 1),
      cliente_participante_id: id,
      metadados: json(elements(row.metadados_participante)[at]),
    })),
  'participant-events': (row, participant) =>
    places(row, participant).flatMap(({ id, at }) => {
      const log = elements(row.logs_eventos_participante)[at];
      return (Array.isArray(log) ? log : []).map((item, n) => ({
        ...base(row),
        posicao: String(at + 1),
        cliente_participante_id: id,
        evento_n: String(n + 1),
        evento: json(item),
      }));
    }),
};

const textColumns = ['ordem_id', 'contrato_id', 'cliente_requisitante_id', 'papel'];

const maskedRow = (row: SourceRow): SourceRow => {
  const text = (value: string | null): string | null => (value === null ? null : comparableText(value));
  return {
    ...row,
    regras_ordem: text(row.regras_ordem),
    metadados_ordem: text(row.metadados_ordem),
    notificacoes_ordem: text(row.notificacoes_ordem),
    logs_eventos_ordem: text(row.logs_eventos_ordem),
    metadados_participante: text(row.metadados_participante),
    logs_eventos_participante: text(row.logs_eventos_participante),
  };
};

/** A document masked, as JSON text again. */
const comparableText = (text: string): string => writeLossless(masked(document(text)));

const writeLossless = (value: unknown): string => {
  if (isLosslessNumber(value)) return value.value;
  if (Array.isArray(value)) return `[${value.map(writeLossless).join(',')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, member]) => `${JSON.stringify(key)}:${writeLossless(member)}`)
      .join(',')}}`;
  return JSON.stringify(value);
};

/** The rows of a report, worked out row by row in TypeScript: nothing of it is shared with the reports' SQL. */
export const expectedRows = (
  kind: string,
  rows: readonly SourceRow[],
  { filter, participant, unmasked }: { filter: Filter; participant?: string; unmasked: boolean },
): ExpectedRow[] =>
  rows
    .filter(filter)
    .flatMap((row) =>
      (explode[kind]?.(unmasked ? row : maskedRow(row), participant) ?? []).map((found) =>
        unmasked ? found : maskedTexts(found),
      ),
    );

const maskedTexts = (row: ExpectedRow): ExpectedRow =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (value === null) return [name, value];
      if (textColumns.includes(name)) return [name, maskText(value)];
      if (name !== 'cliente_participante_id') return [name, value];
      return [
        name,
        value.startsWith('[')
          ? JSON.stringify((JSON.parse(value) as string[]).map(maskText))
          : maskText(value),
      ];
    }),
  );
