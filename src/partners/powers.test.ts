import { describe, expect, it } from 'vitest';
import { localDays } from './local-days.ts';
import { withPersonIds } from './person-ids.ts';
import { readPowers } from './powers.ts';
import { readRegistry } from './registry.ts';

const days = localDays('America/Sao_Paulo');
const company = '12ABC34501DE35';
const asked = { company, power: 'sign' };
const representative = (cpf: string) => ({ cpf, nome: `Pessoa ${cpf}`, ressalvas: [] });
const rule = {
  id: 'R1',
  versao: 1,
  efeito: 'permite',
  leitura: 'completa',
  poder: 'sign',
  combinacoes: [
    { id: 'a', exigencias: [{ grupo: 'A', minimo: 1 }], obrigatorios: ['1'], nao_juntos: [['1', '2']] },
  ],
};
const answer = {
  cnpj: company,
  poder: 'sign',
  representantes: [representative('1'), representative('2')],
  grupos: [{ id: 'A', membros: [{ cpf: '1' }, { cpf: '2' }] }],
  regras: [rule],
};

describe('an answer of the powers service', () => {
  it('names people by document until opaque ids take their place', () => {
    const powers = readPowers(days, answer, asked);
    expect(powers.representatives.map(({ document }) => document)).toEqual(['1', '2']);
    const { groups, rules } = withPersonIds(powers, (document) => `p${document}`);
    expect(groups[0]?.members.map(({ person }) => person)).toEqual(['p1', 'p2']);
    expect(rules[0]?.alternatives?.[0]).toMatchObject({ mandatory: ['p1'], notTogether: [['p1', 'p2']] });
    expect(powers.groups[0]?.members[0]?.person).toBe('1');
  });

  it.each([
    ['another company', { cnpj: '00000000000191' }],
    ['another power', { poder: 'open_account' }],
    ['a person twice', { representantes: [representative('1'), representative('1'), representative('2')] }],
    ['a member who represents nobody', { representantes: [representative('1')] }],
    ['a group that is not there', { grupos: [] }],
    ['a rule twice', { regras: [rule, rule] }],
    [
      'a term that ends before it begins',
      {
        grupos: [{ id: 'A', membros: [{ cpf: '1', desde: '2026-02-01', ate: '2026-01-01' }, { cpf: '2' }] }],
      },
    ],
  ])('is refused when it holds %s', (_, change) => {
    expect(() => readPowers(days, { ...answer, ...change }, asked)).toThrow();
  });

  it('never mentions a document in what it complains of', () => {
    const cpf = '52998224725';
    const stray = { ...answer, grupos: [{ id: 'A', membros: [{ cpf }] }] };
    expect(() => readPowers(days, stray, asked)).toThrow(/^(?!.*52998224725)/);
  });

  it('says which sources the service could not reach', () => {
    const powers = readPowers(days, { ...answer, grupos: [], fontes_indisponiveis: ['grupos'] }, asked);
    expect(powers.unavailable).toEqual(['groups']);
    expect(powers.groups).toEqual([{ id: 'A', members: [] }]);
  });
});

describe('an answer of the registry', () => {
  const account = {
    agencia: '1',
    conta: '2',
    cnpj_titular: company,
    situacao: 'aberta',
    acesso: 'transacao',
  };
  const read = (situacao: string, ...contas: unknown[]) =>
    readRegistry({ operadores: [{ cpf: '1', situacao, contas }] }, company, ['1', '2']);

  it('counts only an open account of the company that allows transactions', () => {
    expect(read('ativo', account)[0]).toMatchObject({ active: true, accountAccess: true });
    expect(read('ativo', { ...account, acesso: 'consulta' })[0]).toMatchObject({ accountAccess: false });
    expect(read('ativo', { ...account, situacao: 'encerrada' })[0]).toMatchObject({ accountAccess: false });
    expect(read('ativo', { ...account, cnpj_titular: '00000000000191' })[0]).toMatchObject({
      accountAccess: false,
    });
    expect(read('ativo', { ...account, acesso: 'consulta' }, account)[0]).toMatchObject({
      accountAccess: true,
    });
    expect(read('bloqueado', account)[0]).toMatchObject({ active: false, accountAccess: true });
  });

  it('answers for whom it lacks, in the order asked', () => {
    expect(read('ativo', account)[1]).toEqual({
      document: '2',
      active: false,
      accountAccess: false,
      accounts: [],
    });
  });
});
