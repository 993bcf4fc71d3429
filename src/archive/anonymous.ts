import { type AttributeValue, type Item, setAttribute, textOf } from './item.ts';
import type { Finder } from './mentions.ts';

export const anonymousId = 'anonimizado';

type Clean = (text: string) => string;

/** Attributes by which the model counts and finds orders: they are no free text. */
const plain = ['ordem_id', 'area_id', 'data_criacao', 'data_atualizacao', 'status_ordem', 'versao', 'regras'];
const fixed = ['ordem_id', 'area_id', 'data_criacao', 'data_atualizacao', 'status_ordem'];

/**
 * The order without the person: their id and what else identifies them is replaced wherever it stands in a text; of
 * their entry as participant, and of the whole order where they requested it, only what the model needs to count orders
 * stays.
 */
export const anonymous = (item: Item, clientId: string | undefined, finder: Finder): Item => {
  const clean = cleaner(clientId, finder);
  const isRequester = textOf(item.cliente_requisitante_id) === clientId;
  const kept: Record<string, AttributeValue> = {};
  for (const name of Object.keys(item)) {
    const value = item[name] as AttributeValue;
    if (name === 'cliente_requisitante_id')
      kept[name] = { S: isRequester ? anonymousId : (textOf(value) ?? anonymousId) };
    else if (name === 'participantes') kept[name] = withoutPerson(value, clientId, clean);
    else if (plain.includes(name) || !isRequester) setAttribute(kept, name, withoutText(value, clean));
  }
  return kept;
};

/** The order of others with every mention of the person replaced; nothing else changes. */
export const withoutMentions = (item: Item, finder: Finder): Item => {
  const clean = cleaner(undefined, finder);
  const kept: Record<string, AttributeValue> = {};
  for (const name of Object.keys(item)) {
    const value = item[name] as AttributeValue;
    setAttribute(kept, clean(name), fixed.includes(name) ? value : withoutText(value, clean));
  }
  return kept;
};

const cleaner = (clientId: string | undefined, finder: Finder): Clean => {
  const identified: Clean = (text) => finder.clean(text, anonymousId);
  return clientId === undefined || clientId === ''
    ? identified
    : (text) => identified(text.replaceAll(clientId, anonymousId));
};

const withoutPerson = (
  participants: AttributeValue,
  clientId: string | undefined,
  clean: Clean,
): AttributeValue => {
  if (!('L' in participants)) return withoutText(participants, clean);
  return {
    L: participants.L.map((each) => {
      if (!('M' in each) || textOf(each.M.cliente_participante_id) !== clientId)
        return withoutText(each, clean);
      const papel = each.M.papel;
      return {
        M: { cliente_participante_id: { S: anonymousId }, ...(papel && 'S' in papel ? { papel } : {}) },
      };
    }),
  };
};

/** Every text cleaned, at any depth, names too. */
const withoutText = (value: AttributeValue, clean: Clean): AttributeValue => {
  if ('S' in value) return { S: clean(value.S) };
  if ('SS' in value) return { SS: [...new Set(value.SS.map(clean))] };
  if ('L' in value) return { L: value.L.map((each) => withoutText(each, clean)) };
  if (!('M' in value)) return value;
  const map: Record<string, AttributeValue> = {};
  for (const name of Object.keys(value.M))
    setAttribute(map, clean(name), withoutText(value.M[name] as AttributeValue, clean));
  return { M: map };
};
