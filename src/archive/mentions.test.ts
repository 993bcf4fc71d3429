import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { order } from '../../test/archive/room.ts';
import { withoutMentions } from './anonymous.ts';
import type { ArchivedRow } from './archived-file.ts';
import type { Item } from './item.ts';
import { identifiersOf, openFinder, parseIdentifier } from './mentions.ts';
import { rowOf } from './row.ts';

const cpf = { kind: 'cpf', value: '12345678909' } as const;
const email = { kind: 'email', value: 'maria.silva@example.com.br' } as const;
const phone = { kind: 'phone', value: '11987654321' } as const;
const finder = openFinder([cpf, email, phone]);

const withNote = (note: string): Item => order('o1', { metadados: { M: { nota: { S: note } } } });
const rowWith = (item: Item): ArchivedRow => ({
  ...rowOf(item),
  hash_versao: '',
  arquivado_em: new Date(0),
});

describe('an identifier', () => {
  it.each([
    ['12345678909', cpf],
    ['123.456.789-09', cpf],
    [' Maria.Silva@example.com.br ', email],
    ['+55 (11) 98765-4321', phone],
    ['11 98765 4321', phone],
    ['12345678900', { kind: 'phone', value: '12345678900' }],
    ['123', null],
    ['maria', null],
    ['ord_12345678909', null],
  ])('is read from %j', (text, expected) => {
    expect(parseIdentifier(text)).toEqual(expected);
  });

  it('comes from the own entry of the person, and a phone only under a name that says so', () => {
    const entry = (id: string, more: Item) => ({ M: { cliente_participante_id: { S: id }, ...more } });
    const item = order('o1', {
      participantes: {
        L: [
          entry('maria', {
            metadados: {
              M: {
                cpf: { S: '123.456.789-09' },
                contato: { L: [{ S: email.value }] },
                protocolo: { S: '1198765432' },
              },
            },
          }),
          entry('joana', {
            metadados: { M: { email: { S: 'joana@example.com' }, fone: { S: '(21) 98765-4321' } } },
          }),
        ],
      },
    });
    expect(identifiersOf(item, 'maria')).toEqual([cpf, email]);
    expect(identifiersOf(item, 'joana').map(({ kind }) => kind)).toEqual(['email', 'phone']);
    expect(identifiersOf(item, 'outra')).toEqual([]);
  });
});

describe('a mention', () => {
  it.each([
    'CPF 123.456.789-09.',
    'cpf:12345678909',
    '123456789-09',
    'falar com Maria.Silva@Example.com.br.',
    'linha\nmaria.silva@example.com.br',
    'tel (11) 98765-4321',
    '+55 11 98765-4321',
    '5511987654321',
  ])('is found in %j, replaced, and then not found any more', (note) => {
    const item = withNote(note);
    expect(finder.mayMention(rowWith(item))).toBe(true);
    expect(finder.find(item)).toMatchObject([{ where: 'metadados.nota', isNumber: false }]);
    expect(finder.find(withoutMentions(item, finder))).toEqual([]);
  });

  it.each([
    '9123456789091',
    'ana.maria.silva@example.com.brasil',
    'xmaria.silva@example.com.br',
    '119876543210',
  ])('is not in %j, which is somebody else’s', (note) => {
    expect(finder.find(withNote(note))).toEqual([]);
    expect(withoutMentions(withNote(note), finder)).toEqual(withNote(note));
  });

  it('is found in names, lists, sets and numbers; a number stays, and no name is told', () => {
    const item = order('o1', {
      etiquetas: { SS: ['a', email.value] },
      lista: { L: [{ M: { texto: { S: phone.value } } }] },
      valor: { N: cpf.value },
      [cpf.value]: { BOOL: true },
    });
    const found = finder.find(item).sort((one, other) => (one.where < other.where ? -1 : 1));
    expect(found).toEqual([
      { where: '*', kind: 'cpf', isNumber: false },
      { where: 'etiquetas', kind: 'email', isNumber: false },
      { where: 'lista.0.texto', kind: 'phone', isNumber: false },
      { where: 'valor', kind: 'cpf', isNumber: true },
    ]);
    expect(finder.find(withoutMentions(item, finder))).toEqual([
      { where: 'valor', kind: 'cpf', isNumber: true },
    ]);
  });

  it('is never missed by the quick look at a row', () => {
    const around = fc.string({ unit: 'binary', maxLength: 8 });
    const written = fc.constantFrom('12345678909', '123.456.789-09', email.value, '(11) 98765-4321');
    fc.assert(
      fc.property(around, written, around, (before, text, after) => {
        const item = withNote(`${before}${text}${after}`);
        if (finder.find(item).length > 0) expect(finder.mayMention(rowWith(item))).toBe(true);
      }),
    );
  });
});
