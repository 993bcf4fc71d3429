import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyOrder, anyValue } from '../../test/archive/items.ts';
import { type AttributeValue, canonicalItem, type Item, itemHash } from './item.ts';
import { decodeValue, encodeValue } from './json-values.ts';
import { itemOf, rowOf, UnfitItemError } from './row.ts';

const order = (more: Record<string, AttributeValue> = {}): Item => ({
  ordem_id: { S: 'o1' },
  area_id: { S: 'CRD01' },
  cliente_requisitante_id: { S: 'c1' },
  data_criacao: { S: '2024-05-06T07:08:09.010Z' },
  data_atualizacao: { S: '2024-05-07T00:00:00.000Z' },
  status_ordem: { S: 'concluida' },
  ...more,
});

/** All of an item but the order of its names, which has no meaning. */
const exact = (item: Item): string =>
  JSON.stringify(item, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
      : value,
  );

describe('JSON of a value', () => {
  it('gives back any value of any type', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const text = encodeValue(value);
        JSON.parse(text);
        expect(canonicalItem({ value: decodeValue(text) })).toBe(canonicalItem({ value }));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is what the table says', () => {
    const said: [AttributeValue, string][] = [
      [{ N: '12345678901234567890123456789012345678' }, '12345678901234567890123456789012345678'],
      [{ N: '.5' }, '{"$number":".5"}'],
      [{ SS: ['b', 'a'] }, '{"$stringSet":["b","a"]}'],
      [{ NS: ['1', '2.50'] }, '{"$numberSet":[1,2.50]}'],
      [{ BS: [Buffer.from('hi')] }, '{"$binarySet":["aGk="]}'],
      [{ B: Buffer.from('hi') }, '{"$binary":"aGk="}'],
      [{ M: { $binary: { S: 'aGk=' } } }, '{"$map":{"$binary":"aGk="}}'],
      [{ M: { $a: { S: 'x' }, b: { NULL: true } } }, '{"$a":"x","b":null}'],
    ];
    for (const [value, text] of said) expect(encodeValue(value)).toBe(text);
  });

  it('gives back maps whose names are its own marks, alone and beside others, however deep', () => {
    const marked = fc.letrec<{ value: AttributeValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5, depthSize: 'large' },
        fc.constantFrom<AttributeValue>({ S: '' }, { S: '"}{' }, { N: '.5' }, { SS: ['$map'] }),
        fc.array(tie('value'), { maxLength: 2 }).map((L) => ({ L })),
        fc
          .dictionary(fc.constantFrom('$map', '$binary', '$x', '', '"}'), tie('value'), { maxKeys: 3 })
          .map((M) => ({ M })),
      ),
    })).value;
    fc.assert(
      fc.property(marked, (value) => {
        expect(canonicalItem({ value: decodeValue(encodeValue(value)) })).toBe(canonicalItem({ value }));
      }),
      { numRuns: 3_000, examples: [[{ M: { $map: { M: { $map: { S: '' } } }, '': { S: '' } } }]] },
    );
  });

  it('reads nested maps that look like its own marks in few steps', () => {
    let value: AttributeValue = { S: 'x' };
    for (let depth = 0; depth < 30; depth++) value = { M: { $map: value, z: { N: '1' } } };
    expect(decodeValue(encodeValue(value))).toEqual(expect.objectContaining({}));
    expect(canonicalItem({ v: decodeValue(encodeValue(value)) })).toBe(canonicalItem({ v: value }));
  });

  it.each(['', '{', '[1,', '{"$binary":1}', '{"$other":1}', 'nul', '"a', '1x'])('refuses %j', (text) => {
    expect(() => decodeValue(text)).toThrow(/damaged/);
  });
});

describe('a row', () => {
  it('gives back any order, attribute by attribute, with the order of lists and sets', () => {
    fc.assert(
      fc.property(anyOrder, (item) => {
        const back = itemOf(rowOf(item));
        expect(exact(back)).toBe(exact(item));
        expect(itemHash(back)).toBe(itemHash(item));
      }),
      { numRuns: 3_000 },
    );
  });

  it('has what the model names in its columns, and the rest in _atributos', () => {
    const row = rowOf(
      order({
        metadados: { M: { canal: { S: 'web' } } },
        participantes: {
          L: [
            {
              M: {
                cliente_participante_id: { S: 'p1' },
                papel: { S: 'avalista' },
                metadados: { M: { n: { N: '1' } } },
                logs_eventos: { L: [] },
              },
            },
          ],
        },
        versao: { N: '7' },
        etiquetas: { SS: ['a'] },
      }),
    );
    expect(row).toMatchObject({
      versao: 7n,
      contrato_id: null,
      cliente_participante_id: ['p1'],
      regras_ordem: null,
    });
    expect(JSON.parse(row.metadados_ordem ?? '')).toEqual({
      canal: 'web',
      _atributos: { data_atualizacao: '2024-05-07T00:00:00.000Z', etiquetas: { $stringSet: ['a'] } },
    });
    expect(row.metadados_participante).toBe('[{"n":1,"_atributos":{"papel":"avalista"}}]');
    expect(row.logs_eventos_participante).toBe('[[]]');
  });

  it('keeps the text of a creation instant in another form', () => {
    const row = rowOf(order({ data_criacao: { S: '2024-05-06T07:08:09-03:00' } }));
    expect(row.data_criacao.toISOString()).toBe('2024-05-06T10:08:09.000Z');
    expect(itemOf(row).data_criacao).toEqual({ S: '2024-05-06T07:08:09-03:00' });
  });

  it.each([
    [{ area_id: { N: '1' } }, /area_id/],
    [{ data_criacao: { S: 'yesterday' } }, /data_criacao/],
    [{ ordem_id: { S: 'a\0b' } }, /ordem_id/],
  ] as [Record<string, AttributeValue>, RegExp][])(
    'refuses an item that lacks what the table requires: %j',
    (more, words) => {
      expect(() => rowOf(order(more))).toThrow(UnfitItemError);
      expect(() => rowOf(order(more))).toThrow(words);
    },
  );
});

describe('the hash of a version', () => {
  it('does not depend on the order of names and set members, and on nothing else', () => {
    const one = order({ e: { SS: ['a', 'b'] }, f: { L: [{ N: '1' }, { N: '2' }] } });
    const other = Object.fromEntries(Object.entries({ ...one, e: { SS: ['b', 'a'] } }).reverse()) as Item;
    expect(itemHash(other)).toBe(itemHash(one));
    expect(itemHash(order({ f: { L: [{ N: '2' }, { N: '1' }] }, e: { SS: ['a', 'b'] } }))).not.toBe(
      itemHash(one),
    );
    expect(itemHash(order({ v: { S: '1' } }))).not.toBe(itemHash(order({ v: { N: '1' } })));
    expect(itemHash(order({ v: { SS: ['1'] } }))).not.toBe(itemHash(order({ v: { NS: ['1'] } })));
    expect(itemHash(order({ v: { L: [] } }))).not.toBe(itemHash(order({ v: { M: {} } })));
  });
});
