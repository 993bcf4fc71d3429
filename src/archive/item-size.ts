import type { Attributes, AttributeValue, Item } from './item.ts';

/**
 * The bytes that DynamoDB counts for an item, which capacity and storage are billed by ("DynamoDB item sizes and
 * formats" in its Developer Guide): names and texts in UTF-8, a byte for each two significant digits of a number and
 * one more (and one for a minus), a byte for a boolean or null; 3 for a list or map and 1 for each entry in it. Of
 * numbers the guide says "approximately".
 */
export const itemBytes = (item: Item): number => membersBytes(item);

const membersBytes = (map: Attributes): number => {
  let bytes = 0;
  for (const name of Object.keys(map)) bytes += textBytes(name) + valueBytes(map[name] as AttributeValue);
  return bytes;
};

const textBytes = (text: string): number => Buffer.byteLength(text);

const numberBytes = (text: string): number => {
  const [mantissa = ''] = text.split(/[eE]/);
  const digits = mantissa.replace(/[^\d]/g, '').replace(/^0+|0+$/g, '');
  return Math.ceil(digits.length / 2) + 1 + (text.startsWith('-') ? 1 : 0);
};

const valueBytes = (value: AttributeValue): number => {
  if ('S' in value) return textBytes(value.S);
  if ('N' in value) return numberBytes(value.N);
  if ('B' in value) return value.B.length;
  if ('BOOL' in value || 'NULL' in value) return 1;
  if ('L' in value) return value.L.reduce((sum, each) => sum + 1 + valueBytes(each), 3);
  if ('M' in value) return 3 + Object.keys(value.M).length + membersBytes(value.M);
  if ('SS' in value) return value.SS.reduce((sum, each) => sum + textBytes(each), 0);
  if ('NS' in value) return value.NS.reduce((sum, each) => sum + numberBytes(each), 0);
  return value.BS.reduce((sum, each) => sum + each.length, 0);
};
