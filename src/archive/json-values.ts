import { type Attributes, type AttributeValue, type Frequent, setAttribute } from './item.ts';
import { memberOf, quoteText } from './quote.ts';

/**
 * DynamoDB values as plain JSON that SQL can look into, without a loss: numbers are literals with all their digits,
 * and what JSON lacks stands under one key that begins with `$`. A map that could be taken for such a one (its only
 * key begins with `$`) is wrapped as `{"$map": …}`.
 */
export const encodeValue = (value: AttributeValue): string => {
  const { S, N, M, L } = value as Frequent;
  if (S !== undefined) return quoteText(S);
  if (N !== undefined) return encodeNumber(N);
  if (M !== undefined) return encodeMap(M);
  if (L !== undefined) return encodeList(L);
  if ('BOOL' in value) return value.BOOL ? 'true' : 'false';
  if ('NULL' in value) return 'null';
  if ('B' in value) return `{"$binary":"${toBase64(value.B)}"}`;
  if ('SS' in value) return `{"$stringSet":[${value.SS.map(quoteText).join(',')}]}`;
  if ('NS' in value) return `{"$numberSet":[${value.NS.map(encodeNumber).join(',')}]}`;
  if ('BS' in value) return `{"$binarySet":[${value.BS.map((bytes) => `"${toBase64(bytes)}"`).join(',')}]}`;
  throw new TypeError(`expected a type of DynamoDB, found ${Object.keys(value).join(', ')}`);
};

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const encodeNumber = (text: string): string =>
  jsonNumber.test(text) ? text : `{"$number":${JSON.stringify(text)}}`;

const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const encodeList = (list: readonly AttributeValue[]): string => {
  let text = '[';
  for (let at = 0; at < list.length; at++)
    text += (at > 0 ? ',' : '') + encodeValue(list[at] as AttributeValue);
  return `${text}]`;
};

const encodeMap = (map: Attributes): string => {
  const names = Object.keys(map);
  const text = `{${encodeMembers(map, names)}}`;
  return names.length === 1 && names[0]?.startsWith('$') ? `{"$map":${text}}` : text;
};

/** `"a":1,"b":2`, without braces. */
export const encodeMembers = (map: Attributes, names: readonly string[] = Object.keys(map)): string => {
  let text = '';
  for (const name of names) {
    const member = memberOf(name);
    text += (text === '' ? member.first : member.next) + encodeValue(map[name] as AttributeValue);
  }
  return text;
};

/**
 * Reads what `encodeValue` wrote. A parser of its own: `JSON.parse` makes doubles of numbers, and with a reviver that
 * keeps their text it takes four times as long.
 * @throws Error for text that `encodeValue` cannot have written
 */
export const decodeValue = (text: string): AttributeValue => {
  const parser: Parser = { text, at: 0 };
  const value = parseValue(parser);
  if (parser.at !== text.length) throw fault(parser, 'the end');
  return value;
};

type Parser = { readonly text: string; at: number };

const fault = ({ text, at }: Parser, expected: string): Error =>
  new Error(`a JSON column is damaged: expected ${expected} at character ${at} of ${text.length}`);

const expectText = (parser: Parser, word: string): void => {
  if (!parser.text.startsWith(word, parser.at)) throw fault(parser, JSON.stringify(word));
  parser.at += word.length;
};

const parseValue = (parser: Parser): AttributeValue => {
  switch (parser.text.charCodeAt(parser.at)) {
    case 0x22: // "
      return { S: parseString(parser) };
    case 0x7b: // {
      return parseObject(parser);
    case 0x5b: // [
      return { L: parseList(parser) };
    case 0x74: // t
      expectText(parser, 'true');
      return { BOOL: true };
    case 0x66: // f
      expectText(parser, 'false');
      return { BOOL: false };
    case 0x6e: // n
      expectText(parser, 'null');
      return { NULL: true };
    default:
      return { N: parseNumber(parser) };
  }
};

const numberAt = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

const parseNumber = (parser: Parser): string => {
  numberAt.lastIndex = parser.at;
  const found = numberAt.exec(parser.text);
  if (!found) throw fault(parser, 'a JSON value');
  parser.at += found[0].length;
  return found[0];
};

const parseString = (parser: Parser): string => {
  const { text, at } = parser;
  // Most strings have nothing escaped, and are cut out as they are.
  for (let end = at + 1; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === 0x22) {
      parser.at = end + 1;
      return text.slice(at + 1, end);
    }
    if (code === 0x5c) return parseEscaped(parser, end);
  }
  throw fault(parser, 'the end of a string');
};

const parseEscaped = (parser: Parser, from: number): string => {
  const { text, at } = parser;
  for (let end = from; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === 0x5c) end++;
    else if (code === 0x22) {
      parser.at = end + 1;
      return JSON.parse(text.slice(at, end + 1)) as string;
    }
  }
  throw fault(parser, 'the end of a string');
};

const parseList = (parser: Parser): AttributeValue[] => {
  const list: AttributeValue[] = [];
  parser.at++;
  if (parser.text[parser.at] === ']') {
    parser.at++;
    return list;
  }
  for (;;) {
    list.push(parseValue(parser));
    if (parser.text[parser.at] === ',') parser.at++;
    else {
      expectText(parser, ']');
      return list;
    }
  }
};

const wrapper = '{"$map":{';

const parseObject = (parser: Parser): AttributeValue => {
  const inner = parser.at + wrapper.length - 1;
  if (!parser.text.startsWith(wrapper, parser.at) || parser.text[endOfObject(parser.text, inner)] !== '}')
    return fromMap(parseMembers(parser));
  parser.at = inner;
  const map = parseMembers(parser);
  parser.at++;
  return { M: map };
};

/**
 * The place behind the object that begins at `from`. What follows it tells a wrapper from an ordinary map whose first
 * name is `$map`, and so how its inside is to be read: an inside that is fit for one may be damaged for the other.
 */
const endOfObject = (text: string, from: number): number => {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at);
    else if (code === 0x7b) depth++;
    else if (code === 0x7d && --depth === 0) return at + 1;
  }
  return text.length;
};

/** The place of the quote that ends the string which begins at `open`. */
const endOfString = (text: string, open: number): number => {
  for (let at = open + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at;
    if (code === 0x5c) at++;
  }
  return text.length;
};

/** From the brace to the end of the map. */
const parseMembers = (parser: Parser): Attributes => {
  const map: Record<string, AttributeValue> = {};
  parser.at++;
  if (parser.text[parser.at] === '}') {
    parser.at++;
    return map;
  }
  for (;;) {
    const name = parseString(parser);
    expectText(parser, ':');
    setAttribute(map, name, parseValue(parser));
    if (parser.text[parser.at] === ',') parser.at++;
    else {
      expectText(parser, '}');
      return map;
    }
  }
};

const fromMap = (map: Attributes): AttributeValue => {
  let only: string | undefined;
  for (const name in map) {
    if (only !== undefined) return { M: map };
    only = name;
  }
  if (only === undefined || !only.startsWith('$')) return { M: map };
  return fromMarked(only, map[only] as AttributeValue);
};

const fromMarked = (mark: string, value: AttributeValue): AttributeValue => {
  const texts = (): string[] => {
    if (!('L' in value)) throw damaged(mark);
    return value.L.map((each) => {
      if ('S' in each) return each.S;
      if ('N' in each) return each.N;
      throw damaged(mark);
    });
  };
  const binary = (text: string): Uint8Array => Buffer.from(text, 'base64');
  if (mark === '$stringSet') return { SS: texts() };
  if (mark === '$numberSet') return { NS: texts() };
  if (mark === '$binarySet') return { BS: texts().map(binary) };
  if (mark === '$binary' && 'S' in value) return { B: binary(value.S) };
  if (mark === '$number' && 'S' in value) return { N: value.S };
  throw damaged(mark);
};

const damaged = (mark: string): Error =>
  new Error(`a JSON column is damaged: what stands under ${mark} is not what belongs there`);
