import type { Combination, Reservation, Rule } from './company.ts';
import { buildDemo, type Demo, type DemoCompany, power } from './demo-company.ts';

/** Rules default to "one of group A signs", groups to one group A of everybody. */
type Written = Omit<Demo, 'rules'> & Partial<Pick<Demo, 'rules'>>;

const requires = (...needs: [group: string, minimum: number | 'todos' | 'maioria'][]): Combination => ({
  id: 'combinacao-1',
  exigencias: needs.map(([grupo, minimo]) => ({ grupo, minimo })),
});

const oneOfA: Partial<Rule> = { combinacoes: [requires(['A', 1])] };
const aAndB: Partial<Rule> = { combinacoes: [requires(['A', 1], ['B', 1])] };

const limit = (value: string): Reservation => ({ tipo: 'limite_valor', valor_maximo: value });
const validUntil = (date: string): Reservation => ({
  tipo: 'validade',
  valida_de: '2015-01-01',
  valida_ate: date,
});
const suspended: Reservation = { tipo: 'suspensao' };

const permitting: Written[] = [
  {
    key: 'joint',
    name: 'Aurora Alimentos S.A.',
    cnpjBase: '12ABC34501DE',
    members: {
      ana: { name: 'Ana Beatriz Moraes' },
      bruno: { name: 'Bruno Teixeira' },
      carla: { name: 'Carla Nogueira' },
    },
    groups: { A: ['ana'], B: ['bruno', 'carla'] },
    rules: [aAndB],
  },
  { key: 'alone', name: 'Padaria Três Rios Ltda.', members: { dono: { name: 'Otávio Lacerda' } } },
  {
    key: 'some_reserved',
    name: 'Metalúrgica Serra Azul S.A.',
    members: {
      livre: { name: 'Helena Castro' },
      limitada: { name: 'Inês Duarte', reservations: [limit('10000.00')] },
      suspenso: { name: 'Ivan Barros', reservations: [suspended] },
    },
  },
  {
    key: 'value_limit',
    name: 'Transportes Planalto Ltda.',
    members: { procurador: { name: 'Leandro Pinto', reservations: [limit('100000.00')] } },
  },
  {
    key: 'valid_mandate',
    name: 'Editora Nova Era Ltda.',
    members: { procuradora: { name: 'Letícia Ramos', reservations: [validUntil('2099-12-31')] } },
  },
  {
    key: 'reserved_for_other_acts',
    name: 'Vinícola Vale do Rio Ltda.',
    members: {
      diretora: {
        name: 'Marcela Vieira',
        reservations: [
          { tipo: 'suspensao', poderes: ['open_account'] },
          { tipo: 'suspensao', canais: ['branch'] },
          { tipo: 'limite_valor', valor_maximo: '1.00', produtos: ['fx'] },
        ],
      },
    },
  },
  {
    key: 'no_operators',
    name: 'Pesca Ponta Negra Ltda.',
    members: { socio: { name: 'Mateus Fonseca', access: 'no_operator' } },
  },
  {
    key: 'bands',
    name: 'Construtora Horizonte S.A.',
    members: { diretor: { name: 'Eduardo Azevedo' }, procuradora: { name: 'Elisa Rocha' } },
    groups: { A: ['diretor'], B: ['procuradora'] },
    rules: [
      { faixa: { de: '0.00', ate: '200000.00' }, combinacoes: [requires(['A', 1])] },
      { faixa: { de: '200000.01', ate: '1000000.00' }, combinacoes: [requires(['A', 2])] },
    ],
  },
  {
    key: 'both_groups',
    name: 'Têxtil Santa Clara Ltda.',
    members: {
      unica: { name: 'Natália Siqueira' },
      suspenso: { name: 'Paulo Medeiros', reservations: [suspended] },
    },
    groups: { A: ['unica', 'suspenso'], B: ['unica'] },
    rules: [aAndB],
  },
  {
    key: 'both_groups_cumulative',
    name: 'Têxtil São Bento Ltda.',
    members: {
      unica: { name: 'Patrícia Freitas' },
      suspenso: { name: 'Rafael Gomes', reservations: [suspended] },
    },
    groups: { A: ['unica', 'suspenso'], B: ['unica'] },
    rules: [{ combinacoes: [{ ...requires(['A', 1], ['B', 1]), contagem: 'por_exigencia' }] }],
  },
  {
    key: 'all_of_group',
    name: 'Usina Ouro Verde S.A.',
    members: { um: { name: 'Renata Lima' }, dois: { name: 'Rodrigo Melo' }, tres: { name: 'Sílvia Nunes' } },
    rules: [{ combinacoes: [requires(['A', 'todos'])] }],
  },
  {
    key: 'all_but_one',
    name: 'Usina Pantanal S.A.',
    members: {
      um: { name: 'Sofia Correia' },
      dois: { name: 'Tiago Mendes' },
      tres: { name: 'Valéria Cardoso', reservations: [suspended] },
    },
    rules: [{ combinacoes: [requires(['A', 'todos'])] }],
  },
  {
    key: 'majority',
    name: 'Cooperativa Boa Esperança',
    members: {
      um: { name: 'Vinícius Araújo' },
      dois: { name: 'Yara Santana' },
      tres: { name: 'Zélia Dias' },
      quatro: { name: 'Gabriel Leite', reservations: [suspended] },
      cinco: { name: 'Joana Tavares', access: 'read_only' },
    },
    rules: [{ combinacoes: [requires(['A', 'maioria'])] }],
  },
  {
    key: 'half',
    name: 'Cooperativa Lagoa Santa',
    members: {
      um: { name: 'Júlia Monteiro' },
      dois: { name: 'João Queiroz' },
      tres: { name: 'Heitor Lopes', reservations: [suspended] },
      quatro: { name: 'Débora Pereira', access: 'inactive' },
    },
    rules: [{ combinacoes: [requires(['A', 'maioria'])] }],
  },
  {
    key: 'not_the_requester',
    name: 'Farmacêutica Jequitibá S.A.',
    members: {
      pede: { name: 'Daniel Marques' },
      aprova: { name: 'Cecília Guimarães', access: 'no_operator' },
    },
    rules: [{ combinacoes: [{ ...requires(['A', 1]), exceto_solicitante: true }] }],
  },
  {
    key: 'mandatory',
    name: 'Papel e Celulose Araguaia S.A.',
    members: {
      presidente: { name: 'Antônio Vasconcelos', access: 'inactive' },
      diretora: { name: 'Fernanda Ribeiro' },
    },
    rules: [{ combinacoes: [{ ...requires(['A', 1]), obrigatorios: ['presidente'] }] }],
  },
  {
    key: 'not_together',
    name: 'Vidros Pedra Branca Ltda.',
    members: { irma: { name: 'Camila Figueiredo' }, irmao: { name: 'Carlos Figueiredo' } },
    rules: [{ combinacoes: [{ ...requires(['A', 2]), nao_juntos: [['irma', 'irmao']] }] }],
  },
];

const refusing: Written[] = [
  { key: 'no_representatives', name: 'Móveis Recôncavo Ltda.', members: {}, groups: {}, rules: [] },
  {
    key: 'all_reserved',
    name: 'Energia Mantiqueira S.A.',
    members: {
      limitado: { name: 'Luís Barbosa', reservations: [limit('5000.00')] },
      vencida: { name: 'Beatriz Almeida', reservations: [validUntil('2023-12-31')] },
      suspensa: { name: 'Fábio Carvalho', reservations: [{ tipo: 'suspensao', poderes: [power] }] },
    },
  },
  {
    key: 'expired_mandate',
    name: 'Embalagens Mirante Ltda.',
    members: { procurador: { name: 'Bruno Ferreira', reservations: [validUntil('2024-06-30')] } },
  },
  {
    key: 'suspended',
    name: 'Mineração Itacolomi S.A.',
    members: { diretor: { name: 'Eduardo Moreira', reservations: [suspended] } },
  },
  {
    key: 'read_only',
    name: 'Laticínios Bela Vista Ltda.',
    members: {
      um: { name: 'Ana Machado', access: 'read_only' },
      dois: { name: 'Paulo Costa', access: 'read_only' },
    },
  },
  {
    key: 'inactive_operators',
    name: 'Calçados Campos Gerais Ltda.',
    members: {
      um: { name: 'Rafael Souza', access: 'inactive' },
      dois: { name: 'Renata Rocha', access: 'inactive' },
    },
  },
  {
    key: 'closed_account',
    name: 'Plásticos Cruzeiro do Sul Ltda.',
    members: { socia: { name: 'Helena Oliveira', access: 'closed_account' } },
  },
  {
    key: 'account_of_another_company',
    name: 'Logística Tabajara Ltda.',
    members: { socio: { name: 'Ivan Nascimento', access: 'account_of_another_company' } },
  },
  {
    key: 'unknown_to_registry',
    name: 'Sistemas Guanabara Ltda.',
    members: { socia: { name: 'Inês Santos' } },
    registered: false,
  },
  {
    key: 'second_group_empty',
    name: 'Autopeças Dois Irmãos Ltda.',
    members: { diretor: { name: 'Otávio Ramos' } },
    groups: { A: ['diretor'], B: [] },
    rules: [aAndB],
  },
  {
    key: 'second_group_without_access',
    name: 'Bebidas Ipê Amarelo Ltda.',
    members: {
      diretor: { name: 'Tiago Correia' },
      procuradora: { name: 'Sílvia Castro', access: 'read_only' },
    },
    groups: { A: ['diretor'], B: ['procuradora'] },
    rules: [aAndB],
  },
  {
    key: 'expired_membership',
    name: 'Agropecuária Alto Paraná Ltda.',
    members: { diretor: { name: 'Mateus Lima' }, antiga: { name: 'Marcela Dias' } },
    groups: { A: ['diretor'], B: [{ who: 'antiga', desde: '2018-01-01', ate: '2022-12-31' }] },
    rules: [aAndB],
  },
  {
    key: 'forbidden',
    name: 'Distribuidora Pampa S.A.',
    members: { diretora: { name: 'Natália Freitas' } },
    rules: [oneOfA, { efeito: 'veda', texto: 'É vedada a contratação de crédito.' }],
  },
  {
    key: 'no_rule_for_act',
    name: 'Máquinas Ribeirão Ltda.',
    members: { diretor: { name: 'Leandro Silva' } },
    rules: [
      { ...oneOfA, poder: 'open_account' },
      { ...oneOfA, vigente_de: '2015-01-01', vigente_ate: '2020-12-31' },
      { ...oneOfA, canais: ['branch'] },
      { ...oneOfA, produtos: ['fx'] },
    ],
  },
];

const uncertain: Written[] = [
  {
    key: 'other_reservation',
    name: 'Indústria Química Serra Azul S.A.',
    members: {
      diretora: {
        name: 'Valéria Moraes',
        reservations: [
          { tipo: 'outra', texto: 'Depende de autorização prévia do conselho de administração.' },
        ],
      },
    },
  },
  {
    key: 'new_kind_of_reservation',
    name: 'Supermercados Aurora Ltda.',
    members: {
      gerente: {
        name: 'Vinícius Barros',
        reservations: [{ tipo: 'limite_diario', valor_diario: '50000.00' }],
      },
    },
  },
  {
    key: 'unread_rule',
    name: 'Comércio de Tecidos Horizonte Ltda.',
    members: { diretor: { name: 'Yara Pinto' } },
    rules: [{ leitura: 'nao_estruturada', texto: 'Assina quem a assembleia designar em ata própria.' }],
  },
  {
    key: 'unread_restriction',
    name: 'Construtora Vale do Rio S.A.',
    members: { diretora: { name: 'Zélia Mendes' } },
    rules: [
      oneOfA,
      {
        efeito: 'veda',
        leitura: 'nao_estruturada',
        texto: 'Veda garantias a terceiros, salvo as do art. 9.',
      },
    ],
  },
  {
    key: 'groups_not_available',
    name: 'Engenharia Planalto S.A.',
    members: { diretor: { name: 'Daniel Fonseca' } },
    groups: {},
    unavailable: ['grupos'],
  },
  {
    key: 'contradictory_answer',
    name: 'Editora Ponta Negra Ltda.',
    members: { diretora: { name: 'Cecília Rocha' } },
    rules: [{ combinacoes: [requires(['Z', 1])] }],
  },
];

/** The named companies, one for each branch of an order's way; `cases.ts` holds the requests for them. */
export const demoCompanies = (): ReadonlyMap<string, DemoCompany> =>
  new Map(
    [...permitting, ...refusing, ...uncertain].map((demo, index) => [
      demo.key,
      buildDemo({ rules: [oneOfA], ...demo }, index),
    ]),
  );
