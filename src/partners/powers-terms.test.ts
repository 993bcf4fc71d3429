import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { localDays } from './local-days.ts';
import { centsOf } from './money.ts';
import { bandOf, readGroup, readReservation, readRule, validityOf } from './powers-terms.ts';

const days = localDays('America/Sao_Paulo');
const inside = (instant: string, { from, to }: { from: string | null; to: string | null }): boolean =>
  (from === null || Date.parse(instant) >= Date.parse(from)) &&
  (to === null || Date.parse(instant) < Date.parse(to));

const dateArbitrary = fc
  .date({ min: new Date('1985-01-01'), max: new Date('2040-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));

const localDate = new Intl.DateTimeFormat('en-CA', { timeZone: 'America/Sao_Paulo' });

describe('terms', () => {
  it('ends "válida até 31/12" on 1 January 00:00 in São Paulo, to the second', () => {
    const term = validityOf(days, '2026-01-01', '2026-12-31');
    expect(term).toEqual({ from: '2026-01-01T03:00:00Z', to: '2027-01-01T03:00:00Z' });
    expect(inside('2026-12-31T23:59:59-03:00', term)).toBe(true);
    expect(inside('2027-01-01T00:00:00-03:00', term)).toBe(false);
    expect(inside('2026-01-01T00:00:00-03:00', term)).toBe(true);
    expect(inside('2025-12-31T23:59:59-03:00', term)).toBe(false);
  });

  it('holds exactly on the local dates from the first to the last, both included', () => {
    fc.assert(
      fc.property(
        dateArbitrary,
        dateArbitrary,
        fc.integer({ min: -172_800, max: 172_800 }),
        (a, b, drift) => {
          const [first, last] = a <= b ? [a, b] : [b, a];
          const term = validityOf(days, first, last);
          for (const edge of [term.from, term.to]) {
            if (edge === null) continue;
            const instant = new Date(Date.parse(edge) + drift * 1000);
            const local = localDate.format(instant);
            expect(inside(instant.toISOString(), term)).toBe(local >= first && local <= last);
          }
        },
      ),
    );
  });

  it('reads the dates that mean "always" as open', () => {
    expect(validityOf(days, '0001-01-01', '9999-12-31')).toEqual({ from: null, to: null });
    expect(validityOf(days, null, undefined)).toEqual({ from: null, to: null });
  });

  it('refuses a term that ends before it begins', () => {
    expect(() => validityOf(days, '2026-05-02', '2026-05-01')).toThrow('begins before it ends');
    expect(validityOf(days, '2026-05-01', '2026-05-01').to).toBe('2026-05-02T03:00:00Z');
  });
});

describe('money', () => {
  it('reads decimal text exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_007_199_254_740_990 }), (cents) => {
        const digits = String(cents).padStart(3, '0');
        expect(centsOf(`${digits.slice(0, -2)}.${digits.slice(-2)}`)).toBe(cents);
      }),
    );
    expect(centsOf('7')).toBe(700);
    expect(centsOf('0.5')).toBe(50);
  });

  it.each(['', '-1', '1,00', '1.234', '1e3', ' 1', '1.', '.5', 'NaN', '99999999999999.99'])(
    'refuses %j',
    (text) => expect(centsOf(text)).toBeUndefined(),
  );

  it('includes the last value of a band and leaves out the next cent', () => {
    expect(bandOf('0.00', '200000.00')).toEqual({ minCents: 0, maxCents: 20_000_001 });
    expect(bandOf('200000.01', null)).toEqual({ minCents: 20_000_001, maxCents: null });
    expect(bandOf('10.00', '10.00')).toEqual({ minCents: 1_000, maxCents: 1_001 });
    expect(() => bandOf('10.01', '10.00')).toThrow('begins before it ends');
  });

  it('splits neighbouring bands without gap or overlap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), (cents) => {
        const text = (value: number): string =>
          `${Math.floor(value / 100)}.${String(value % 100).padStart(2, '0')}`;
        expect(bandOf(null, text(cents)).maxCents).toBe(bandOf(text(cents + 1), null).minCents);
      }),
    );
  });
});

describe('reservations', () => {
  it('keeps a limit inclusive, because the contract blocks what is more', () => {
    expect(readReservation(days, { tipo: 'limite_valor', valor_maximo: '100000.00' })).toEqual({
      kind: 'value_limit',
      maxCents: 10_000_000,
    });
  });

  it('keeps the acts for which it exists', () => {
    expect(
      readReservation(days, { tipo: 'suspensao', poderes: ['sign'], canais: ['bankline'], produtos: [] }),
    ).toEqual({ kind: 'suspended', powers: ['sign'], channels: ['bankline'] });
  });

  it.each([
    [{ tipo: 'assinatura_em_branco', texto: 'vedada' }, 'vedada'],
    [{ tipo: 'limite_valor', valor_maximo: 100000 }, 'ressalva não reconhecida (limite_valor)'],
    [
      { tipo: 'limite_valor', valor_maximo: '1.00', por_dia: true },
      'ressalva não reconhecida (limite_valor)',
    ],
    [{ tipo: 'validade', valida_ate: '31/12/2026' }, 'ressalva não reconhecida (validade)'],
    [
      { tipo: 'validade', valida_de: '2026-02-01', valida_ate: '2026-01-01' },
      'validade que termina antes de começar',
    ],
    [{}, 'ressalva não reconhecida (undefined)'],
  ])('leaves to a person what it does not know for certain: %j', (given, text) => {
    expect(readReservation(days, given)).toEqual({ kind: 'other', text });
  });
});

describe('groups', () => {
  it('joins terms that overlap, keeps those that do not', () => {
    const cpf = '52998224725';
    const group = readGroup(days, {
      id: 'A',
      membros: [
        { cpf, desde: '2026-01-01', ate: '2026-06-30' },
        { cpf, desde: '2026-06-01', ate: '2026-12-31' },
        { cpf, desde: '2028-01-01', ate: null },
      ],
    });
    expect(group.members).toEqual([
      { person: cpf, from: '2026-01-01T03:00:00Z', to: '2027-01-01T03:00:00Z' },
      { person: cpf, from: '2028-01-01T03:00:00Z', to: null },
    ]);
  });

  it('answers memberships that never overlap and cover the same days', () => {
    const term = fc.tuple(dateArbitrary, dateArbitrary).map((pair) => pair.toSorted());
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 6 }), dateArbitrary, (terms, day) => {
        const { members } = readGroup(days, {
          id: 'A',
          membros: terms.map(([desde, ate]) => ({ cpf: 'x', desde, ate })),
        });
        const noon = `${day}T15:00:00Z`;
        const holding = members.filter(({ from = null, to = null }) => inside(noon, { from, to }));
        const expected = terms.some(([desde = '', ate = '']) => day >= desde && day <= ate);
        expect(holding).toHaveLength(expected ? 1 : 0);
      }),
    );
  });
});

const rule = {
  id: 'R1',
  versao: 3,
  efeito: 'permite',
  leitura: 'completa',
  poder: 'sign',
  faixa: { de: '0.00', ate: '200000.00' },
  combinacoes: [
    {
      id: 'a1',
      exigencias: [
        { grupo: 'A', minimo: 1 },
        { grupo: 'B', minimo: 'maioria' },
      ],
      contagem: 'por_exigencia',
      obrigatorios: ['x', 'x'],
      nao_juntos: [['x', 'y']],
      exceto_solicitante: true,
    },
  ],
};

describe('rules', () => {
  it('reads one in the form of the contract', () => {
    expect(readRule(days, rule, 'sign')).toEqual({
      id: 'R1',
      version: 3,
      effect: 'permit',
      coverage: 'complete',
      power: 'sign',
      channels: [],
      products: [],
      from: null,
      to: null,
      band: { minCents: 0, maxCents: 20_000_001 },
      alternatives: [
        {
          id: 'a1',
          requires: [
            { group: 'A', min: 1 },
            { group: 'B', min: 'majority' },
          ],
          counting: 'cumulative',
          mandatory: ['x'],
          notTogether: [['x', 'y']],
          excludesRequester: true,
        },
      ],
    });
  });

  it('leaves to a person what it does not know for certain', () => {
    const unread = { id: 'R1', version: 3, effect: 'permit', coverage: 'unknown', power: 'sign' };
    expect(readRule(days, { ...rule, firma_reconhecida: true }, 'sign')).toEqual(unread);
    expect(readRule(days, { ...rule, faixa: { de: '2.00', ate: '1.00' } }, 'sign')).toEqual(unread);
    expect(readRule(days, { ...rule, leitura: 'nao_estruturada' }, 'sign')).toMatchObject({
      coverage: 'unknown',
    });
    expect(readRule(days, { ...rule, combinacoes: [] }, 'sign')).toMatchObject({ coverage: 'unknown' });
  });

  it('counts a rule of unknown effect, or one that forbids some combinations, as an unread restriction', () => {
    expect(readRule(days, { ...rule, efeito: 'condiciona' }, 'sign')).toMatchObject({
      effect: 'forbid',
      coverage: 'unknown',
    });
    expect(readRule(days, { ...rule, efeito: 'veda' }, 'sign')).toMatchObject({
      effect: 'forbid',
      coverage: 'unknown',
    });
    expect(readRule(days, { ...rule, efeito: 'veda', combinacoes: [] }, 'sign')).toMatchObject({
      effect: 'forbid',
      coverage: 'complete',
    });
  });

  it('refuses one without id and version: it could not be named in a decision', () => {
    expect(() => readRule(days, { ...rule, id: '' }, 'sign')).toThrow();
  });
});
