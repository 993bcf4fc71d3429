/** What the bank's systems hold of a company, in the words of their own interfaces. */

export type Reservation = {
  tipo: string;
  poderes?: string[];
  canais?: string[];
  produtos?: string[];
  [field: string]: unknown;
};

export type Representative = { cpf: string; nome: string; ressalvas: Reservation[] };

export type Group = {
  id: string;
  membros: { cpf: string; desde?: string | null; ate?: string | null }[];
};

export type Combination = {
  id: string;
  exigencias?: { grupo: string; minimo: number | 'todos' | 'maioria' }[];
  contagem?: 'pessoas_distintas' | 'por_exigencia';
  obrigatorios?: string[];
  nao_juntos?: [string, string][];
  exceto_solicitante?: boolean;
};

export type Rule = {
  id: string;
  versao: number;
  efeito: 'permite' | 'veda';
  leitura: 'completa' | 'nao_estruturada';
  texto?: string;
  poder: string;
  canais?: string[];
  produtos?: string[];
  vigente_de?: string | null;
  vigente_ate?: string | null;
  faixa?: { de: string | null; ate: string | null };
  combinacoes?: Combination[];
};

export type Account = {
  agencia: string;
  conta: string;
  cnpj_titular: string;
  situacao: 'aberta' | 'bloqueada' | 'encerrada';
  acesso: 'transacao' | 'consulta';
};

export type Operator = { cpf: string; situacao: 'ativo' | 'inativo' | 'bloqueado'; contas: Account[] };

export type Company = {
  cnpj: string;
  nome: string;
  representantes: Representative[];
  grupos: Group[];
  regras: Rule[];
  /** null: the registry does not know the company. */
  operadores: Operator[] | null;
  fontes_indisponiveis?: ('grupos' | 'regras')[];
};

export type Person = { cpf: string; nome: string; email: string | null; telefone: string | null };
