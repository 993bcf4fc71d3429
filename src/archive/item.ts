import { hash } from 'node:crypto';
import { isPlainText, memberOf, quoteText } from './quote.ts';

/**
 * A value as DynamoDB writes it on the wire. Numbers are text with up to 38 digits. A union of its own, because the
 * SDK's has a member for types that it does not know, which would have to be handled at each place.
 */
export type AttributeValue =
  | { readonly S: string }
  | { readonly N: string }
  | { readonly B: Uint8Array }
  | { readonly BOOL: boolean }
  | { readonly NULL: true }
  | { readonly L: readonly AttributeValue[] }
  | { readonly M: Attributes }
  | { readonly SS: readonly string[] }
  | { readonly NS: readonly string[] }
  | { readonly BS: readonly Uint8Array[] };

/** The types that nearly every value has: reading all of them is quicker than asking for each whether it is there. */
export type Frequent = {
  readonly S?: string;
  readonly N?: string;
  readonly M?: Attributes;
  readonly L?: readonly AttributeValue[];
};

export type Attributes = { readonly [name: string]: AttributeValue };

/** An order as DynamoDB holds it. */
export type Item = Attributes;

/**
 * Sets an attribute of a map under any name: assigned, `__proto__` would be lost. (Maps without a prototype would take it,
 * and are five times slower to fill.)
 */
export const setAttribute = (
  map: Record<string, AttributeValue>,
  name: string,
  value: AttributeValue,
): void => {
  if (name !== '__proto__') map[name] = value;
  else Object.defineProperty(map, name, { value, writable: true, enumerable: true, configurable: true });
};

/** The text of a string attribute, or undefined where it is absent or of another type. */
export const textOf = (value: AttributeValue | undefined): string | undefined =>
  value !== undefined && 'S' in value ? value.S : undefined;

/**
 * One text for equal items: names sorted by UTF-16 code unit, sets sorted, each value under its type. Maps and sets
 * have no order in DynamoDB, so an item read twice may come in two orders. It shares no code with the rows of the
 * lake (row.ts) but the quoting of text, so that a fault there shows as another hash.
 */
export const canonicalItem = (item: Item): string => canonicalMap(item);

/** Of a SHA-256. */
export const hashBytes = 32;

/** SHA-256 of `canonicalItem` as 64 hexadecimal digits: what `hash_versao` holds. */
export const itemHash = (item: Item): string => hash('sha256', canonicalItem(item), 'hex');

/** In place, by UTF-16 code unit. Maps have few names, for which a library sort costs more than the comparisons. */
const sortNames = (names: string[]): string[] => {
  if (names.length > 20) return names.sort();
  for (let at = 1; at < names.length; at++) {
    const name = names[at] as string;
    let to = at - 1;
    for (; to >= 0 && (names[to] as string) > name; to--) names[to + 1] = names[to] as string;
    names[to + 1] = name;
  }
  return names;
};

const canonicalMap = (map: Attributes): string => {
  const names = sortNames(Object.keys(map));
  let text = '{';
  for (let at = 0; at < names.length; at++) {
    const name = names[at] as string;
    const member = memberOf(name);
    text += (at > 0 ? member.next : member.first) + canonicalValue(map[name] as AttributeValue);
  }
  return `${text}}`;
};

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const canonicalValue = (value: AttributeValue): string => {
  const { S, N, M, L } = value as Frequent;
  if (S !== undefined) return isPlainText(S) ? `{"S":"${S}"}` : `{"S":${quoteText(S)}}`;
  if (N !== undefined) return `{"N":"${N}"}`;
  if (M !== undefined) return `{"M":${canonicalMap(M)}}`;
  if (L !== undefined) {
    let text = '';
    for (const each of L) text += text === '' ? canonicalValue(each) : `,${canonicalValue(each)}`;
    return `{"L":[${text}]}`;
  }
  if ('BOOL' in value) return value.BOOL ? '{"BOOL":true}' : '{"BOOL":false}';
  if ('NULL' in value) return '{"NULL":true}';
  if ('B' in value) return `{"B":"${base64(value.B)}"}`;
  if ('SS' in value) return `{"SS":[${[...value.SS].sort().map(quoteText).join(',')}]}`;
  if ('NS' in value) return `{"NS":[${[...value.NS].sort().map(quoteText).join(',')}]}`;
  if ('BS' in value) return `{"BS":[${value.BS.map(base64).sort().map(quoteText).join(',')}]}`;
  throw new TypeError(`expected a type of DynamoDB, found ${Object.keys(value).join(', ')}`);
};
