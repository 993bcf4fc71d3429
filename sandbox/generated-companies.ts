import { companyPowers } from './areas.ts';
import type {
  Account,
  Combination,
  Company,
  Operator,
  Person,
  Representative,
  Reservation,
  Rule,
} from './company.ts';
import { cnpjOf, cpfOf } from './documents.ts';
import { companyName, mailbox, personName } from './names.ts';
import { type Random, random } from './random.ts';

const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZ0123456789';

/** Generated CNPJs begin with 4 to 6, the demo companies' with others: the two never meet. */
const cnpjFor = (index: number, alphanumeric: boolean, dice: Random): string => {
  const order = String(index).padStart(5, '0');
  if (!alphanumeric) return cnpjOf(`${dice.int(4, 6)}${order}${dice.int(10, 99)}0001`);
  const text = Array.from({ length: 4 }, () => dice.pick([...letters])).join('');
  return cnpjOf(`${dice.int(4, 6)}${text.slice(0, 2)}${order}${text.slice(2)}01`);
};

const personFor = (number: number, dice: Random): Person => {
  const nome = personName(dice);
  return {
    // Generated CPFs begin with 1 to 8, those of the demo companies with 9.
    cpf: cpfOf(100_000_000 + number * 97),
    nome,
    email: dice.chance(0.95) ? `${mailbox(nome)}.${number}@correio.example` : null,
    telefone: dice.chance(0.9)
      ? `+55${dice.pick(['11', '21', '31', '41', '51', '61', '71', '81'])}9${dice.int(10_000_000, 99_999_999)}`
      : null,
  };
};

const reservationFor = (dice: Random): Reservation => {
  const kind = dice.int(1, 100);
  if (kind <= 50) return { tipo: 'limite_valor', valor_maximo: `${dice.int(1, 40) * 25_000}.00` };
  if (kind <= 75)
    return {
      tipo: 'validade',
      valida_de: '2020-01-01',
      valida_ate: `${dice.pick(['2023', '2030', '2099'])}-12-31`,
    };
  if (kind <= 97) return { tipo: 'suspensao', poderes: dice.chance(0.5) ? [dice.pick(companyPowers)] : [] };
  return { tipo: 'outra', texto: 'Representação condicionada a autorização do conselho.' };
};

const combinationsFor = (level: number, dice: Random): Combination[] => {
  const director = { grupo: 'A', minimo: 1 };
  const attorney = { grupo: 'B', minimo: 1 };
  if (level === 0) {
    return [
      { id: 'diretor', exigencias: [director] },
      { id: 'dois-procuradores', exigencias: [{ grupo: 'B', minimo: 2 }] },
    ];
  }
  if (level === 1) {
    return [
      { id: 'diretor-e-procurador', exigencias: [director, attorney] },
      { id: 'dois-diretores', exigencias: [{ grupo: 'A', minimo: 2 }] },
    ];
  }
  return dice.chance(0.3)
    ? [{ id: 'maioria-dos-diretores', exigencias: [{ grupo: 'A', minimo: 'maioria' }] }]
    : [{ id: 'dois-diretores-e-procurador', exigencias: [{ grupo: 'A', minimo: 2 }, attorney] }];
};

const rulesFor = (dice: Random): Rule[] => {
  const first = dice.int(1, 10) * 50_000;
  const second = first * dice.int(4, 20);
  const bands = [
    { de: '0.00', ate: `${first}.00` },
    { de: `${first}.01`, ate: `${second}.00` },
    { de: `${second}.01`, ate: null },
  ];
  const version = dice.int(1, 9);
  const rules = companyPowers.flatMap((poder) =>
    bands.map(
      (faixa, level): Rule => ({
        id: `${poder}-${level + 1}`,
        versao: version,
        efeito: 'permite',
        leitura: 'completa',
        poder,
        vigente_de: '2020-01-01',
        vigente_ate: null,
        // Opening an account has no value, and a rule with a band does not apply to an act without one.
        ...(poder !== 'open_account' && { faixa }),
        combinacoes: combinationsFor(level, dice),
      }),
    ),
  );
  if (dice.chance(0.02)) {
    rules.push({
      id: 'clausula-nona',
      versao: version,
      efeito: 'permite',
      leitura: 'nao_estruturada',
      texto: 'Poderá ainda assinar quem a assembleia designar em ata própria.',
      poder: 'sign_credit_contract',
    });
  }
  return rules;
};

const accountFor = (cnpj: string, dice: Random, acesso: Account['acesso']): Account => ({
  agencia: String(dice.int(1, 9_999)).padStart(4, '0'),
  conta: `${dice.int(10_000, 999_999)}-${dice.int(0, 9)}`,
  cnpj_titular: cnpj,
  situacao: dice.chance(0.97) ? 'aberta' : 'encerrada',
  acesso,
});

const operatorsFor = (cnpj: string, people: readonly Representative[], dice: Random): Operator[] =>
  people
    .filter(() => dice.chance(0.93))
    .map(({ cpf }) => ({
      cpf,
      situacao: dice.chance(0.96) ? 'ativo' : 'inativo',
      contas: Array.from({ length: dice.int(1, 3) }, () =>
        accountFor(cnpj, dice, dice.chance(0.88) ? 'transacao' : 'consulta'),
      ),
    }));

const companyFor = (index: number, people: readonly Person[], dice: Random): Company => {
  const cnpj = cnpjFor(index, dice.chance(0.35), dice);
  const representantes = people.map(({ cpf, nome }) => ({
    cpf,
    nome,
    ressalvas: dice.chance(0.12) ? [reservationFor(dice)] : [],
  }));
  const directors = Math.max(1, Math.ceil(people.length / 2));
  const memberOf = ({ cpf }: Representative) => ({ cpf, desde: '2020-01-01', ate: null });
  return {
    cnpj,
    nome: companyName(dice),
    representantes,
    grupos: [
      { id: 'A', membros: representantes.slice(0, directors).map(memberOf) },
      { id: 'B', membros: representantes.slice(directors).map(memberOf) },
    ],
    regras: rulesFor(dice),
    operadores: operatorsFor(cnpj, representantes, dice),
  };
};

/** Companies and their people from a seed; about one person in ten represents two companies. */
export const generateCompanies = (
  seed: number,
  count: number,
): { companies: Company[]; people: Person[] } => {
  const dice = random(seed);
  const people: Person[] = [];
  const companies: Company[] = [];
  for (let index = 0; index < count; index++) {
    const chosen = new Map<string, Person>();
    const size = dice.pick([1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 8, 12]);
    while (chosen.size < size) {
      const again = people.length > 0 && dice.chance(0.1);
      const person = again ? dice.pick(people) : personFor(people.length + 1, dice);
      if (!again) people.push(person);
      chosen.set(person.cpf, person);
    }
    companies.push(companyFor(index, [...chosen.values()], dice));
  }
  return { companies, people };
};
