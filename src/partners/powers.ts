import { z } from 'zod';
import type { Group, Rule, Source } from '../quorum/contract.ts';
import type { Channel } from './channel.ts';
import type { Answer, Call, CompanyPowers } from './contract.ts';
import type { LocalDays } from './local-days.ts';
import { groupSchema, readGroup, readReservation, readRule } from './powers-terms.ts';

export const healthPath = '/poderes/v1/saude';

const sources = { grupos: 'groups', regras: 'rules' } as const;
const anyObject = z.record(z.string(), z.unknown());

export const powersSchema = z.object({
  cnpj: z.string(),
  poder: z.string(),
  representantes: z.array(z.object({ cpf: z.string(), nome: z.string(), ressalvas: z.array(anyObject) })),
  grupos: z.array(groupSchema),
  regras: z.array(anyObject),
  /** What the service itself could not reach when it answered. */
  fontes_indisponiveis: z.array(z.enum(['grupos', 'regras'])).default([]),
});

const assertDistinct = (what: string, ids: readonly string[]): void => {
  if (new Set(ids).size !== ids.length) throw new Error(`expected each of ${what} once, found one twice`);
};

const peopleOf = (groups: readonly Group[], rules: readonly Rule[]): string[] => [
  ...groups.flatMap(({ members }) => members.map(({ person }) => person)),
  ...rules.flatMap(({ alternatives = [] }) =>
    alternatives.flatMap(({ mandatory = [], notTogether = [] }) => [...mandatory, ...notTogether.flat()]),
  ),
];

const groupsOf = (rules: readonly Rule[]): Set<string> =>
  new Set(
    rules.flatMap(({ alternatives = [] }) =>
      alternatives.flatMap(({ requires = [] }) => requires.map(({ group }) => group)),
    ),
  );

/** Refuses an answer that contradicts itself: nobody can say which half of it is wrong. */
const assertConsistent = ({ representatives, groups, rules }: CompanyPowers): void => {
  assertDistinct(
    'representantes',
    representatives.map(({ document }) => document),
  );
  assertDistinct(
    'grupos',
    groups.map(({ id }) => id),
  );
  assertDistinct(
    'regras',
    rules.map(({ id }) => id),
  );
  for (const { alternatives = [] } of rules) {
    assertDistinct(
      'combinacoes of a rule',
      alternatives.map(({ id }) => id),
    );
    if (alternatives.some(({ notTogether = [] }) => notTogether.some(([one, other]) => one === other))) {
      throw new Error('expected two people in nao_juntos, found one person twice');
    }
  }
  const registered = new Set(representatives.map(({ document }) => document));
  if (peopleOf(groups, rules).some((document) => !registered.has(document))) {
    throw new Error('expected groups and rules to name representatives only, found somebody else');
  }
  const present = new Set(groups.map(({ id }) => id));
  if ([...groupsOf(rules)].some((id) => !present.has(id))) {
    throw new Error('expected rules to name groups of the answer only, found another group');
  }
};

/** Where the groups could not be reached, the rules still name them: empty ones stand in, never to be counted. */
const standIns = (
  groups: readonly Group[],
  rules: readonly Rule[],
  unavailable: readonly Source[],
): Group[] =>
  unavailable.includes('groups')
    ? [...groupsOf(rules)]
        .filter((id) => !groups.some((group) => group.id === id))
        .map((id) => ({ id, members: [] }))
    : [];

/**
 * Reads an answer of the powers service into the quorum contract's form, people named by CPF.
 * @throws where it is not what the contract says, contradicts itself or is about something else.
 */
export const readPowers = (
  days: LocalDays,
  json: unknown,
  asked: { company: string; power: string },
): CompanyPowers => {
  const given = powersSchema.parse(json);
  if (given.cnpj !== asked.company || given.poder !== asked.power) {
    throw new Error('it is about another company or power than the one asked for');
  }
  const unavailable = given.fontes_indisponiveis.map((name) => sources[name]);
  const rules = given.regras.map((rule) => readRule(days, rule, asked.power));
  const groups = given.grupos.map((group) => readGroup(days, group));
  const powers: CompanyPowers = {
    ...asked,
    representatives: given.representantes.map(({ cpf, nome, ressalvas }) => ({
      document: cpf,
      name: nome,
      reservations: ressalvas.map((reservation) => readReservation(days, reservation)),
    })),
    groups: [...groups, ...standIns(groups, rules, unavailable)],
    rules,
    unavailable: [...new Set(unavailable)],
  };
  assertConsistent(powers);
  return powers;
};

/**
 * Asks for a company's representatives, groups and rules for one power. Never cached: a power revoked this
 * morning must not sign this afternoon. A company that the service does not know has none.
 */
export const askPowers = (
  channel: Channel,
  days: LocalDays,
  asked: { company: string; power: string },
  call: Call,
): Promise<Answer<CompanyPowers>> =>
  channel.ask(
    'company',
    {
      method: 'POST',
      path: '/poderes/v1/consultas',
      body: { cnpj: asked.company, poder: asked.power },
      notFound: 'EMPRESA_NAO_ENCONTRADA',
    },
    call,
    ({ found, json }) =>
      found
        ? readPowers(days, json, asked)
        : { ...asked, representatives: [], groups: [], rules: [], unavailable: [] },
  );
