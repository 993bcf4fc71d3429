import { createHash } from 'node:crypto';

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

export type Attributes = { readonly [name: string]: AttributeValue };

/** An order as DynamoDB holds it. */
export type Item = Attributes;

/** An empty map that takes any name: on a plain object, `__proto__` would be lost. */
export const newAttributes = (): Record<string, AttributeValue> => Object.create(null);

/** The text of a string attribute, or undefined where it is absent or of another type. */
export const textOf = (value: AttributeValue | undefined): string | undefined =>
  value !== undefined && 'S' in value ? value.S : undefined;

/**
 * One text for equal items: names sorted by UTF-16 code unit, sets sorted, each value under its type. Maps and sets
 * have no order in DynamoDB, so an item read twice may come in two orders. It shares no code with the rows of the
 * lake (row.ts), so that a fault there shows as another hash.
 */
export const canonicalItem = (item: Item): string => canonicalMap(item);

/** SHA-256 of `canonicalItem` as 64 hexadecimal digits: what `hash_versao` holds. */
export const itemHash = (item: Item): string =>
  createHash('sha256').update(canonicalItem(item)).digest('hex');

const canonicalMap = (map: Attributes): string => {
  const names = Object.keys(map).sort();
  let text = '{';
  for (let at = 0; at < names.length; at++) {
    const name = names[at] as string;
    text += `${at > 0 ? ',' : ''}${JSON.stringify(name)}:${canonicalValue(map[name] as AttributeValue)}`;
  }
  return `${text}}`;
};

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const canonicalValue = (value: AttributeValue): string => {
  if ('S' in value) return `{"S":${JSON.stringify(value.S)}}`;
  if ('N' in value) return `{"N":"${value.N}"}`;
  if ('M' in value) return `{"M":${canonicalMap(value.M)}}`;
  if ('L' in value) return `{"L":[${value.L.map(canonicalValue).join(',')}]}`;
  if ('BOOL' in value) return value.BOOL ? '{"BOOL":true}' : '{"BOOL":false}';
  if ('NULL' in value) return '{"NULL":true}';
  if ('B' in value) return `{"B":"${base64(value.B)}"}`;
  if ('SS' in value)
    return `{"SS":[${[...value.SS]
      .sort()
      .map((text) => JSON.stringify(text))
      .join(',')}]}`;
  if ('NS' in value)
    return `{"NS":[${[...value.NS]
      .sort()
      .map((text) => `"${text}"`)
      .join(',')}]}`;
  if ('BS' in value)
    return `{"BS":[${value.BS.map(base64)
      .sort()
      .map((text) => `"${text}"`)
      .join(',')}]}`;
  throw new TypeError(`expected a type of DynamoDB, found ${Object.keys(value).join(', ')}`);
};
