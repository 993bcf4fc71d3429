import { isStorableText } from '../shared/storable-text.ts';
import { type Attributes, type AttributeValue, type Item, setAttribute, textOf } from './item.ts';
import { decodeValue, encodeMembers, encodeValue } from './json-values.ts';

/** The columns of an archived order that come from its item; see `archivedOrdersDefinition`. Null: no value. */
export type OrderRow = {
  readonly ordem_id: string;
  readonly area_id: string;
  readonly contrato_id: string | null;
  readonly cliente_requisitante_id: string;
  readonly cliente_participante_id: readonly string[] | null;
  readonly data_criacao: Date;
  readonly status_ordem: string;
  readonly regras_ordem: string | null;
  readonly metadados_ordem: string | null;
  readonly notificacoes_ordem: string | null;
  readonly logs_eventos_ordem: string | null;
  readonly metadados_participante: string | null;
  readonly logs_eventos_participante: string | null;
  readonly versao: bigint | null;
};

/** An item that the table of archived orders cannot hold: it stays where it is, and people are told. */
export class UnfitItemError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnfitItemError';
  }
}

const others = '_atributos';

/** Attributes that have a column of their own. All others go to `_atributos`. */
const modelled = new Set([
  'ordem_id',
  'area_id',
  'contrato_id',
  'cliente_requisitante_id',
  'participantes',
  'data_criacao',
  'status_ordem',
  'regras',
  'metadados',
  'notificacoes',
  'logs_eventos',
  'versao',
]);

/**
 * Puts an item into the columns, losing nothing: what a column cannot hold exactly (another type than the contract's,
 * an instant in another form) stays under its own name in `_atributos`, and `itemOf` takes it from there.
 * @throws UnfitItemError for an item without a column that the table requires
 */
export const rowOf = (item: Item): OrderRow => {
  const kept: Record<string, AttributeValue> = {};
  for (const name of Object.keys(item))
    if (!modelled.has(name)) setAttribute(kept, name, item[name] as AttributeValue);
  const required = (name: string): string => {
    const text = textOf(item[name]);
    if (text === undefined)
      throw new UnfitItemError(`expected text in ${name}, found ${foundIn(item[name])}`);
    if (!isStorableText(text))
      throw new UnfitItemError(`${name} has a character that PostgreSQL cannot keep`);
    return text;
  };
  const keep = (name: string): null => {
    const value = item[name];
    if (value !== undefined) setAttribute(kept, name, value);
    return null;
  };
  const created = required('data_criacao');
  const at = instantOf(created);
  if (at === undefined)
    throw new UnfitItemError('expected an ISO 8601 instant in data_criacao, found other text');
  if (at.toISOString() !== created) keep('data_criacao');
  const parties = participantColumns(item.participantes);
  if (!parties.exact) keep('participantes');
  // Before the metadata are written: these may keep something in them.
  const contract = columnText(item.contrato_id) ?? keep('contrato_id');
  const version = versionOf(item.versao) ?? keep('versao');
  const json = (name: string): string | null => (item[name] === undefined ? null : encodeValue(item[name]));
  return {
    ordem_id: required('ordem_id'),
    area_id: required('area_id'),
    contrato_id: contract,
    cliente_requisitante_id: required('cliente_requisitante_id'),
    cliente_participante_id: parties.ids,
    data_criacao: at,
    status_ordem: required('status_ordem'),
    regras_ordem: json('regras'),
    metadados_ordem: encodeMetadata(item.metadados, kept),
    notificacoes_ordem: json('notificacoes'),
    logs_eventos_ordem: json('logs_eventos'),
    metadados_participante: parties.metadata,
    logs_eventos_participante: parties.logs,
    versao: version,
  };
};

const foundIn = (value: AttributeValue | undefined): string =>
  value === undefined ? 'no such attribute' : `type ${Object.keys(value).join()}`;

const columnText = (value: AttributeValue | undefined): string | undefined => {
  const text = textOf(value);
  return text !== undefined && isStorableText(text) ? text : undefined;
};

const iso = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d))$/;

/** An instant with its zone, to the millisecond; a text of any other form is none. */
export const instantOf = (text: string): Date | undefined => {
  if (!iso.test(text)) return undefined;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at;
};

const versionOf = (value: AttributeValue | undefined): bigint | undefined => {
  if (value === undefined || !('N' in value) || !/^(?:0|-?[1-9]\d{0,17})$/.test(value.N)) return undefined;
  return BigInt(value.N);
};

/**
 * The members of `metadados`, and beside them `_atributos` where there is anything to keep. Metadata that are no map,
 * an empty one, or have a key of that name are kept inside it, so that both can be told apart again.
 */
const encodeMetadata = (
  metadata: AttributeValue | undefined,
  kept: Record<string, AttributeValue>,
): string | null => {
  const names = metadata !== undefined && 'M' in metadata ? Object.keys(metadata.M) : [];
  const isPlain = metadata !== undefined && 'M' in metadata && names.length > 0 && !names.includes(others);
  const lone = names.length === 1 && names[0]?.startsWith('$') === true;
  if (metadata !== undefined && (!isPlain || lone)) kept.metadados = metadata;
  const own = isPlain && !lone && 'M' in metadata ? encodeMembers(metadata.M, names) : '';
  if (Object.keys(kept).length === 0) return own === '' ? null : `{${own}}`;
  return `{${own}${own === '' ? '' : ','}"${others}":${encodeValue({ M: kept })}}`;
};

type Metadata = { readonly metadata?: AttributeValue; readonly kept: Attributes };

/** The opposite: the metadata as a plain map, and what was kept. */
const splitMetadata = (value: AttributeValue): Metadata => {
  if (!('M' in value)) throw new Error('a metadata column is damaged: expected an object');
  const own: Record<string, AttributeValue> = {};
  let kept: Attributes = {};
  for (const name of Object.keys(value.M)) {
    const member = value.M[name] as AttributeValue;
    if (name !== others) setAttribute(own, name, member);
    else if ('M' in member) kept = member.M;
    else throw new Error(`a metadata column is damaged: expected an object in ${others}`);
  }
  return Object.keys(own).length > 0 ? { metadata: { M: own }, kept } : { kept };
};

type ParticipantColumns = {
  readonly ids: string[] | null;
  readonly metadata: string | null;
  readonly logs: string | null;
  /** The three columns give the attribute back. */
  readonly exact: boolean;
};

const participantColumns = (participants: AttributeValue | undefined): ParticipantColumns => {
  if (participants === undefined) return { ids: null, metadata: null, logs: null, exact: true };
  const list = 'L' in participants ? participants.L : [];
  const ids = list.flatMap((each) => ('M' in each ? (columnText(each.M.cliente_participante_id) ?? []) : []));
  const exact = 'L' in participants && ids.length === list.length;
  if (!exact) return { ids: ids.length > 0 ? ids : null, metadata: null, logs: null, exact };
  const metadata: string[] = [];
  const logs: string[] = [];
  for (const each of list) {
    const map = 'M' in each ? each.M : {};
    const kept: Record<string, AttributeValue> = {};
    for (const name of Object.keys(map)) {
      if (name === 'cliente_participante_id' || name === 'metadados') continue;
      // A null of the column means "none", so a null of the order is kept apart.
      if (name === 'logs_eventos' && !('NULL' in (map[name] as AttributeValue))) continue;
      setAttribute(kept, name, map[name] as AttributeValue);
    }
    logs.push(
      map.logs_eventos !== undefined && !('NULL' in map.logs_eventos)
        ? encodeValue(map.logs_eventos)
        : 'null',
    );
    metadata.push(encodeMetadata(map.metadados, kept) ?? 'null');
  }
  return { ids, metadata: `[${metadata.join(',')}]`, logs: `[${logs.join(',')}]`, exact };
};

const decodeParticipants = (row: OrderRow): AttributeValue | undefined => {
  const {
    cliente_participante_id: ids,
    metadados_participante: metadata,
    logs_eventos_participante: logs,
  } = row;
  if (ids === null || metadata === null || logs === null) return undefined;
  const metadataOf = splitList(metadata);
  const logsOf = decodeValue(logs);
  if (!('L' in logsOf) || metadataOf.length !== ids.length || logsOf.L.length !== ids.length) {
    throw new Error('the columns of the participants are damaged: their lists differ in length');
  }
  return {
    L: ids.map((id, at) => {
      const map: Record<string, AttributeValue> = {};
      map.cliente_participante_id = { S: id };
      const { metadata: own, kept } = metadataOf[at] ?? { kept: {} };
      if (own !== undefined) map.metadados = own;
      const events = logsOf.L[at];
      if (events !== undefined && !('NULL' in events)) map.logs_eventos = events;
      for (const name of Object.keys(kept)) setAttribute(map, name, kept[name] as AttributeValue);
      return { M: map };
    }),
  };
};

const splitList = (text: string): Metadata[] => {
  const value = decodeValue(text);
  if (!('L' in value)) throw new Error('a column of the participants is damaged: expected a list');
  return value.L.map((each) => ('NULL' in each ? { kept: {} } : splitMetadata(each)));
};

/** Gives the item back as it was. @throws Error for columns that `rowOf` cannot have written */
export const itemOf = (row: OrderRow): Item => {
  const item: Record<string, AttributeValue> = {};
  const put = (name: string, value: AttributeValue | undefined): void => {
    if (value !== undefined) setAttribute(item, name, value);
  };
  const text = (value: string | null): AttributeValue | undefined =>
    value === null ? undefined : { S: value };
  const json = (value: string | null): AttributeValue | undefined =>
    value === null ? undefined : decodeValue(value);
  put('ordem_id', text(row.ordem_id));
  put('area_id', text(row.area_id));
  put('contrato_id', text(row.contrato_id));
  put('cliente_requisitante_id', text(row.cliente_requisitante_id));
  put('participantes', decodeParticipants(row));
  put('data_criacao', text(row.data_criacao.toISOString()));
  put('status_ordem', text(row.status_ordem));
  put('regras', json(row.regras_ordem));
  put('notificacoes', json(row.notificacoes_ordem));
  put('logs_eventos', json(row.logs_eventos_ordem));
  put('versao', row.versao === null ? undefined : { N: String(row.versao) });
  const { metadata, kept }: Metadata =
    row.metadados_ordem === null ? { kept: {} } : splitMetadata(decodeValue(row.metadados_ordem));
  put('metadados', metadata);
  for (const name of Object.keys(kept)) setAttribute(item, name, kept[name] as AttributeValue);
  return item;
};
