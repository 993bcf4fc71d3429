import { demoCompanies } from './demo-companies.ts';

/** Somebody who may sign in at the sandbox's issuer. There are no passwords: loopback only. */
export type DemoPerson = {
  /** The subject of their tokens. */
  readonly id: string;
  readonly name: string;
  /** Who they are, in words, for the page where one is chosen. */
  readonly about: string;
  readonly scopes: readonly string[];
  readonly areas: readonly string[];
  /** Documents of the bank's clients whom they speak for. */
  readonly clients: readonly string[];
};

const operator = ['orders:read', 'orders:write', 'reports:read', 'reports:write'];

/** One for each way of using the portal; two who may review, since who created an order may not. */
export const demoPeople: readonly DemoPerson[] = [
  {
    id: 'ana.operadora',
    name: 'Ana Moreira',
    about: 'Operadora da área CRD01: cria, simula e cancela ordens, pede relatórios.',
    scopes: operator,
    areas: ['CRD01'],
    clients: [],
  },
  {
    id: 'bruno.revisor',
    name: 'Bruno Tavares',
    about: 'Revisor das áreas CRD01 e CRD02: resolve o que ficou em dúvida.',
    scopes: [...operator, 'orders:review'],
    areas: ['CRD01', 'CRD02'],
    clients: [],
  },
  {
    id: 'clara.supervisora',
    name: 'Clara Nogueira',
    about: 'Supervisora do banco: vê todas as áreas, revisa, pede relatórios sem máscara.',
    scopes: [...operator, 'orders:review', 'reports:unmasked'],
    areas: ['*'],
    clients: [],
  },
  {
    id: 'davi.cliente',
    name: 'Davi Pacheco',
    about: 'Cliente do banco: pede relatórios das ordens da própria empresa.',
    scopes: ['reports:read', 'reports:write'],
    areas: [],
    clients: [demoCompanies().get('joint')?.company.cnpj ?? ''],
  },
];

export const demoPerson = (id: string): DemoPerson | undefined => demoPeople.find((one) => one.id === id);
