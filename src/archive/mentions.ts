import { isCpf } from '../shared/cpf-cnpj.ts';
import type { ArchivedRow } from './archived-file.ts';
import type { Attributes, AttributeValue, Item } from './item.ts';

/** By what a person is found in free text: digits of a CPF or of a Brazilian phone (without 55), or an address in lower case. */
export type Identifier = { readonly kind: 'cpf' | 'email' | 'phone'; readonly value: string };

export type Mention = {
  /** Names from the order down: `metadados.nota`, `logs_eventos.2.texto`. */
  readonly where: string;
  readonly kind: Identifier['kind'];
  /** A number cannot hold another text in its place: it is found, and stays. */
  readonly isNumber: boolean;
};

const emailShape = /^[\w.%+-]+@[\w-]+(?:\.[\w-]+)+$/;
const phoneShape = /^(?:\+?55)?[1-9]\d{9,10}$/;
const phoneName = /fone|phone|tel|cel|whats/i;

/** What somebody writes as a CPF, an e-mail address or a phone with its area code; null: none of them. */
export const parseIdentifier = (text: string): Identifier | null => {
  const plain = text.trim();
  if (emailShape.test(plain)) return { kind: 'email', value: plain.toLowerCase() };
  const digits = plain.replace(/[\s().-]/g, '');
  if (isCpf(digits)) return { kind: 'cpf', value: digits };
  return phoneShape.test(digits) ? { kind: 'phone', value: nationalDigits(digits) } : null;
};

const nationalDigits = (digits: string): string =>
  digits.replace(/^\+?55(?=\d{10,11}$)/, '').replace('+', '');

/**
 * The identifiers that a person's own entry among the participants holds, at any depth: whole texts that are a CPF or
 * an address, and phones under a name that says so (ten digits alone may be anything).
 */
export const identifiersOf = (item: Item, clientId: string): Identifier[] => {
  const found: Identifier[] = [];
  const look = (value: AttributeValue, name: string): void => {
    if ('M' in value) for (const key of Object.keys(value.M)) look(value.M[key] as AttributeValue, key);
    if ('L' in value) for (const each of value.L) look(each, name);
    const texts = 'S' in value ? [value.S] : 'SS' in value ? value.SS : 'N' in value ? [value.N] : [];
    for (const text of texts) {
      const identifier = parseIdentifier(text);
      if (identifier && (identifier.kind !== 'phone' || phoneName.test(name))) found.push(identifier);
    }
  };
  const { participantes } = item;
  const entries = participantes !== undefined && 'L' in participantes ? participantes.L : [];
  for (const entry of entries) {
    const id = 'M' in entry ? entry.M.cliente_participante_id : undefined;
    if (id !== undefined && 'S' in id && id.S === clientId) look(entry, '');
  }
  return found;
};

export type Finder = {
  /** Quick, and never false for a row that mentions one of them. */
  readonly mayMention: (row: ArchivedRow) => boolean;
  readonly find: (item: Item) => Mention[];
  /** The text with every mention replaced. */
  readonly clean: (text: string, replacement: string) => string;
  readonly count: number;
};

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** As people write them; the pattern without its edges for JSON text, where the letter of an escape may stand before. */
const bodyOf = ({ kind, value }: Identifier): string => {
  if (kind === 'email') return escaped(value);
  const [one, two, three, four] = [value.slice(0, 3), value.slice(3, 6), value.slice(6, 9), value.slice(9)];
  if (kind === 'cpf') return `${one}[.\\s]?${two}[.\\s]?${three}[-.\\s]?${four}`;
  const number = value.slice(2);
  return `\\(?${value.slice(0, 2)}\\)?[\\s.-]?${number.slice(0, -4)}[\\s.-]?${number.slice(-4)}`;
};

const edges: Record<Identifier['kind'], readonly [string, string]> = {
  cpf: ['(?<!\\d)', '(?!\\d)'],
  phone: ['(?<!\\d)(?:\\+?55[\\s.-]?)?', '(?!\\d)'],
  email: ['(?<![\\w.%+-])', '(?![\\w-]|\\.\\w)'],
};

/** Finds who these identifiers are of, in any order. */
export const openFinder = (identifiers: readonly Identifier[]): Finder => {
  const each = [...new Map(identifiers.map((one) => [`${one.kind} ${one.value}`, one])).values()].map(
    (one) => {
      const [left, right] = edges[one.kind];
      return { ...one, pattern: new RegExp(`${left}${bodyOf(one)}${right}`, 'gi') };
    },
  );
  const either = each.length === 0 ? null : new RegExp(each.map(bodyOf).join('|'), 'i');
  const kindsIn = (text: string): Identifier['kind'][] => [
    ...new Set(each.filter(({ pattern }) => text.search(pattern) >= 0).map(({ kind }) => kind)),
  ];
  return {
    count: each.length,
    mayMention: (row) =>
      either !== null &&
      Object.values(row).some((value) =>
        Array.isArray(value)
          ? value.some((id) => either.test(id))
          : typeof value === 'string' && either.test(value),
      ),
    find: (item) => mentionsIn(item, kindsIn, ''),
    clean: (text, replacement) =>
      each.reduce((cleaned, { pattern }) => cleaned.replace(pattern, replacement), text),
  };
};

const mentionsIn = (
  map: Attributes,
  kindsIn: (text: string) => Identifier['kind'][],
  path: string,
): Mention[] => {
  const found: Mention[] = [];
  const note = (text: string, where: string, isNumber = false): void => {
    for (const kind of kindsIn(text)) found.push({ where, kind, isNumber });
  };
  const look = (value: AttributeValue, where: string): void => {
    if ('S' in value) note(value.S, where);
    else if ('SS' in value) for (const text of value.SS) note(text, where);
    else if ('N' in value) note(value.N, where, true);
    else if ('NS' in value) for (const text of value.NS) note(text, where, true);
    else if ('L' in value) for (const [at, each] of value.L.entries()) look(each, `${where}.${at}`);
    else if ('M' in value) found.push(...mentionsIn(value.M, kindsIn, `${where}.`));
  };
  for (const name of Object.keys(map)) {
    // A name that is a mention itself must not be told.
    const isPerson = kindsIn(name).length > 0;
    const where = `${path}${isPerson ? '*' : name}`;
    if (isPerson) note(name, where);
    look(map[name] as AttributeValue, where);
  }
  return found;
};
