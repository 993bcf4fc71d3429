import { z } from 'zod';
import type { Channel } from './channel.ts';
import type { Answer, Call, RegistryOperator } from './contract.ts';

export const healthPath = '/cadastro-unico/v1/saude';

const account = z.object({
  agencia: z.string(),
  conta: z.string(),
  cnpj_titular: z.string(),
  situacao: z.enum(['aberta', 'bloqueada', 'encerrada']),
  /** What the operator may do; only `transacao` signs. */
  acesso: z.enum(['transacao', 'consulta']),
});

export const registrySchema = z.object({
  operadores: z.array(
    z.object({
      cpf: z.string(),
      situacao: z.enum(['ativo', 'inativo', 'bloqueado']),
      contas: z.array(account),
    }),
  ),
});

const missing = (document: string): RegistryOperator => ({
  document,
  active: false,
  accountAccess: false,
  accounts: [],
});

/**
 * Reads who may act in the channel. An operator's account counts when it is open, is the company's own (an
 * operator of two companies must not carry access from one to the other) and allows transactions.
 */
export const readRegistry = (
  json: unknown,
  company: string,
  documents: readonly string[],
): RegistryOperator[] => {
  const operators = new Map<string, RegistryOperator>();
  for (const { cpf, situacao, contas } of registrySchema.parse(json).operadores) {
    if (operators.has(cpf)) throw new Error('one operator is listed twice');
    const accounts = contas.map(({ agencia, conta, cnpj_titular, situacao: state, acesso }) => ({
      branch: agencia,
      account: conta,
      ofCompany: cnpj_titular === company && state === 'aberta',
      access: acesso === 'transacao' ? ('transact' as const) : ('read' as const),
    }));
    operators.set(cpf, {
      document: cpf,
      active: situacao === 'ativo',
      accountAccess: accounts.some(({ ofCompany, access }) => ofCompany && access === 'transact'),
      accounts,
    });
  }
  return documents.map((document) => operators.get(document) ?? missing(document));
};

/** Asks for operators of a company. A company that the registry does not know has none. */
export const askRegistry = (
  channel: Channel,
  { company, documents }: { company: string; documents: readonly string[] },
  call: Call,
): Promise<Answer<RegistryOperator[]>> =>
  channel.ask(
    'operators',
    {
      method: 'POST',
      path: '/cadastro-unico/v1/operadores/consultas',
      body: { cnpj: company, documentos: documents },
      notFound: 'EMPRESA_NAO_ENCONTRADA',
    },
    call,
    ({ found, json }) => (found ? readRegistry(json, company, documents) : documents.map(missing)),
  );
