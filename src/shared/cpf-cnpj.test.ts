import { readFile } from 'node:fs/promises';
import { cpf } from 'cpf-cnpj-validator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCnpj, isCpf } from './cpf-cnpj.ts';

const vectors = JSON.parse(
  await readFile(new URL('../../test/fixtures/documents/cpf-cnpj.json', import.meta.url), 'utf8'),
) as Record<'cpf_valido' | 'cpf_invalido' | 'cnpj_valido' | 'cnpj_invalido', string[]>;

describe('documents', () => {
  it('are valid or not as the published vectors say', () => {
    expect(vectors.cpf_valido.filter((text) => !isCpf(text))).toEqual([]);
    expect(vectors.cnpj_valido.filter((text) => !isCnpj(text))).toEqual([]);
    expect(vectors.cpf_invalido.filter(isCpf)).toEqual([]);
    expect(vectors.cnpj_invalido.filter(isCnpj)).toEqual([]);
  });

  it('of people are judged as another validator does, but for the one that it forbids', () => {
    const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 9, maxLength: 9 });
    fc.assert(
      fc.property(digits, fc.integer({ min: 0, max: 99 }), (nine, end) => {
        const text = `${nine.join('')}${String(end).padStart(2, '0')}`;
        return isCpf(text) === cpf.isValid(text) || text === '12345678909';
      }),
      { numRuns: 5_000 },
    );
    for (let count = 0; count < 500; count++) {
      const text = cpf.generate();
      expect(isCpf(text)).toBe(true);
      expect(isCpf(`${text.slice(0, 10)}${(Number(text[10]) + 1) % 10}`)).toBe(false);
    }
  });

  it('are upper case, without punctuation or blanks', () => {
    for (const text of ['529.982.247-25', ' 52998224725', '5299822472\n5', '٥٢٩٩٨٢٢٤٧٢٥'])
      expect(isCpf(text)).toBe(false);
    for (const text of ['12abc34501de35', '12.ABC.345/01DE-35']) expect(isCnpj(text)).toBe(false);
  });
});
