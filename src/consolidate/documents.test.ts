import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDocumentCutter, type Piece } from './documents.ts';
import type { DocumentFormat } from './object-name.ts';

const suite = join(import.meta.dirname, '../../test/fixtures/json/JSONTestSuite/test_parsing');
const cut = createDocumentCutter({ maxDocumentBytes: 1 << 20, maxDepth: 512 });

const pieces = (content: string | Uint8Array, format: DocumentFormat = 'json'): Piece[] => {
  const given = Buffer.from(content as string);
  return cut(Buffer.concat([given, Buffer.from('#')]), given.length, format);
};

const read = (content: string | Uint8Array, format?: DocumentFormat): string[] => {
  const given = Buffer.from(content as string);
  return pieces(content, format).map(({ from, to, fault }) =>
    fault ? `${fault.reason}@${fault.position}` : given.toString('utf8', from, to),
  );
};

describe('JSONTestSuite', () => {
  const files = readdirSync(suite);
  const duplicated = ['y_object_duplicated_key.json', 'y_object_duplicated_key_and_value.json'];

  it.each(files.filter((name) => name.startsWith('y_')))('%s is one document', (name) => {
    const content = readFileSync(join(suite, name));
    const expected = duplicated.includes(name) ? ['duplicate_key@9'] : [content.toString('utf8').trim()];
    expect(read(content)).toEqual(expected);
  });

  it.each(files.filter((name) => name.startsWith('n_')))('%s is refused whole, with a reason', (name) => {
    const content = readFileSync(join(suite, name));
    const found = pieces(content);
    expect(found).toHaveLength(1);
    expect(found[0]?.fault?.reason).toMatch(
      /^(malformed|truncated|duplicate_key|too_deep|empty|bom|bad_utf8)$/,
    );
  });

  // RFC 8259 leaves these open. Text is kept, so big numbers and lone surrogates in escapes are documents;
  // bytes that are not UTF-8 and a BOM are not.
  it.each(files.filter((name) => name.startsWith('i_')))('%s is decided as documented', (name) => {
    const content = readFileSync(join(suite, name));
    const taken =
      /^i_(number|structure_500)|lone_2nd|surrogate_but_2nd|1st_valid|_incomplete|invalid_lonely|invalid_surrogate|inverted|lone_second/;
    const found = pieces(content);
    if (taken.test(name)) expect(found.map(({ fault }) => fault)).toEqual([undefined]);
    else
      expect(found.map(({ fault }) => fault?.reason)).toEqual([
        name.includes('BOM_empty') ? 'bom' : 'bad_utf8',
      ]);
  });
});

describe('documents of a file', () => {
  it('keeps the text between the first and the last character, verbatim', () => {
    expect(read(' \r\n{ "a": -0, "b":1e400,\n "c" : 1.10 }\n\n')).toEqual([
      '{ "a": -0, "b":1e400,\n "c" : 1.10 }',
    ]);
  });

  it('reads JSON lines in .json and in .jsonl, and a bad line takes nothing with it', () => {
    expect(read('{"a":1}\n{"b":2}\r\n\n')).toEqual(['{"a":1}', '{"b":2}']);
    expect(read('{"a":1}\n{"b":\n{"c":3}')).toEqual(['{"a":1}', 'truncated@13', '{"c":3}']);
    expect(read('1\n[2\n"3"\n', 'lines')).toEqual(['1', 'truncated@4', '"3"']);
    expect(read('1 2\n3', 'lines')).toEqual(['malformed@2', '3']);
  });

  it('reads documents that cover several lines, one after the other', () => {
    expect(read('{\n "a": 1\n}\n{\n "a": 2\n}\n')).toEqual(['{\n "a": 1\n}', '{\n "a": 2\n}']);
  });

  it('refuses a broken pretty-printed document whole', () => {
    expect(read('{\n"a": [\n{"b":1},\n{"c":1}')).toEqual(['truncated@25']);
  });

  it('finds duplicate keys in one object only, also written with escapes', () => {
    expect(read('{"a":{"a":1},"b":[{"a":1},{"a":2}]}')).toHaveLength(1);
    expect(read('{"a":1,"\\u0061":2}')).toEqual(['duplicate_key@7']);
    expect(read('{"\\u00e9":1,"é":2}')).toEqual(['duplicate_key@12']);
    // Normalised alike, but not the same text.
    expect(read('{"é":1,"é":2}')).toHaveLength(1);
  });

  it('names bad bytes, a BOM, depth and size by reason and position', () => {
    expect(read(Buffer.from([0x5b, 0x22, 0x61, 0xff, 0x22, 0x5d]))).toEqual(['bad_utf8@3']);
    expect(read('\ufeff{}')).toEqual(['bom@0']);
    expect(read('\ufeff{}\n{}', 'lines')).toEqual(['bom@0', '{}']);
    expect(read('['.repeat(513))).toEqual(['too_deep@512']);
    expect(read(`"${'x'.repeat(1 << 20)}"`)).toEqual(['too_large@1048576']);
    expect(read('')).toEqual(['empty@0']);
    expect(read(' \n', 'lines')).toEqual(['empty@0']);
  });

  it('keeps keys apart by the thousand, and finds the one that repeats', () => {
    const keys = Array.from({ length: 20_000 }, (_, index) => `"k${index}":${index}`);
    expect(pieces(`{${keys.join()}}`)[0]?.fault).toBeUndefined();
    expect(pieces(`{${[...keys, '"k777":0'].join()}}`)[0]?.fault?.reason).toBe('duplicate_key');
  });
});

describe('properties', () => {
  it('takes what JSON.stringify writes, and nothing that JSON.parse refuses', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), fc.string({ maxLength: 2 }), (value, at, noise) => {
        const text = JSON.stringify(value);
        expect(read(text)).toEqual([text]);
        const cutAt = at % (text.length + 1);
        const broken = Buffer.from(text.slice(0, cutAt) + noise + text.slice(cutAt)).toString('utf8');
        const taken = pieces(broken, 'lines').filter(({ fault }) => !fault);
        const refused = pieces(broken, 'lines').filter(
          ({ fault }) => fault && fault.reason !== 'duplicate_key' && fault.reason !== 'empty',
        );
        const bytes = Buffer.from(broken);
        for (const { from, to } of taken) JSON.parse(bytes.toString('utf8', from, to));
        for (const { from, to } of refused) {
          expect(() => JSON.parse(bytes.toString('utf8', from, to))).toThrow();
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('puts every byte but white space into exactly one piece', () => {
    const line = fc.constantFrom('{"a":1}', '{', '[1,2]', '"x"', '1 2', '{"a":1,"a":2}', '', ' ', '\u00e9');
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom<DocumentFormat>('json', 'lines'), (lines, format) => {
        const content = Buffer.from(lines.join('\n'));
        let at = 0;
        for (const { from, to } of pieces(content, format)) {
          expect(content.toString('utf8', at, from).trim()).toBe('');
          at = to;
        }
        expect(content.toString('utf8', at).trim()).toBe('');
      }),
    );
  });
});
