import type { Account, Combination, Company, Group, Operator, Person, Reservation, Rule } from './company.ts';
import { cnpjOf, cpfOf } from './documents.ts';
import { mailbox } from './names.ts';

/** What a demo person may do in the bankline, in one word each. */
export type Access =
  | 'transact'
  | 'read_only'
  | 'inactive'
  | 'closed_account'
  | 'account_of_another_company'
  | 'no_operator';

type Member = {
  name: string;
  reservations?: Reservation[];
  access?: Access;
};

/** A demo company as it is written down; `buildDemo` makes the records of it. */
export type Demo = {
  key: string;
  name: string;
  /** Twelve characters of the CNPJ; default a number of its own. */
  cnpjBase?: string;
  members: Record<string, Member>;
  /** Groups by id: keys of members, or memberships with dates. */
  groups?: Record<string, (string | { who: string; desde?: string; ate?: string })[]>;
  rules: (Partial<Rule> & { combinacoes?: Combination[] })[];
  /** false: the registry does not know the company. */
  registered?: boolean;
  unavailable?: Company['fontes_indisponiveis'];
};

export type DemoCompany = {
  key: string;
  company: Company;
  people: Person[];
  /** CPF of a member. @throws Error on a key that is not one. */
  cpf(member: string): string;
};

export const power = 'sign_credit_contract';

const another = cnpjOf('710000000001');

const accountsFor = (access: Access, cnpj: string): Account[] => {
  const account: Account = {
    agencia: '0001',
    conta: '12345-6',
    cnpj_titular: cnpj,
    situacao: 'aberta',
    acesso: 'transacao',
  };
  if (access === 'read_only') return [{ ...account, acesso: 'consulta' }];
  if (access === 'closed_account') return [{ ...account, situacao: 'encerrada' }];
  if (access === 'account_of_another_company') return [{ ...account, cnpj_titular: another }];
  return [account];
};

const operatorFor = (cpf: string, access: Access, cnpj: string): Operator[] =>
  access === 'no_operator'
    ? []
    : [{ cpf, situacao: access === 'inactive' ? 'inativo' : 'ativo', contas: accountsFor(access, cnpj) }];

/** Demo people have CPFs from 9xx.xxx.xxx on: a block of a hundred for each company. */
export const buildDemo = (demo: Demo, index: number): DemoCompany => {
  const cnpj = cnpjOf(demo.cnpjBase ?? `7${String(index + 1).padStart(7, '0')}0001`);
  const cpfs = new Map(
    Object.keys(demo.members).map((member, place) => [member, cpfOf(900_000_000 + index * 100 + place)]),
  );
  const cpf = (member: string): string => {
    const found = cpfs.get(member);
    if (!found) throw new Error(`expected a member of ${demo.key}, found "${member}"`);
    return found;
  };
  const members = Object.entries(demo.members);
  const groups = demo.groups ?? { A: Object.keys(demo.members) };
  const company: Company = {
    cnpj,
    nome: demo.name,
    representantes: members.map(([member, { name, reservations = [] }]) => ({
      cpf: cpf(member),
      nome: name,
      ressalvas: reservations,
    })),
    grupos: Object.entries(groups).map(
      ([id, list]): Group => ({
        id,
        membros: list.map((entry) =>
          typeof entry === 'string'
            ? { cpf: cpf(entry) }
            : { cpf: cpf(entry.who), desde: entry.desde ?? null, ate: entry.ate ?? null },
        ),
      }),
    ),
    regras: demo.rules.map((rule, place) => completeRule(rule, place, cpf)),
    operadores:
      demo.registered === false
        ? null
        : members.flatMap(([member, { access = 'transact' }]) => operatorFor(cpf(member), access, cnpj)),
    ...(demo.unavailable && { fontes_indisponiveis: demo.unavailable }),
  };
  const people = members.map(([member, { name }], place) => ({
    cpf: cpf(member),
    nome: name,
    email: `${mailbox(name)}@${demo.key.replaceAll('_', '-')}.example`,
    telefone: `+55119${String(90_000_000 + index * 100 + place)}`,
  }));
  return { key: demo.key, company, people, cpf };
};

const completeRule = (rule: Partial<Rule>, place: number, cpf: (member: string) => string): Rule => ({
  id: `regra-${place + 1}`,
  versao: 1,
  efeito: 'permite',
  leitura: 'completa',
  poder: power,
  ...rule,
  ...(rule.combinacoes && {
    combinacoes: rule.combinacoes.map((combination) => ({
      ...combination,
      ...(combination.obrigatorios && { obrigatorios: combination.obrigatorios.map(cpf) }),
      ...(combination.nao_juntos && {
        nao_juntos: combination.nao_juntos.map(([one, other]): [string, string] => [cpf(one), cpf(other)]),
      }),
    })),
  }),
});
