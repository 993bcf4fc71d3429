import type { OrderSummary, Report } from '../api/openapi.ts';

export const orderStatus: Record<OrderSummary['status'], string> = {
  draft: 'Rascunho',
  processing: 'Em processamento',
  completed: 'Concluída',
  failed: 'Falha',
};

export const verdict: Record<NonNullable<OrderSummary['verdict']>, string> = {
  quorum: 'Há coro',
  no_quorum: 'Não há coro',
  undetermined: 'Indeterminado',
};

export const failureReason: Record<NonNullable<OrderSummary['failureReason']>, string> = {
  no_representatives: 'A empresa não tem representantes para este ato.',
  all_reserved: 'Todos os representantes têm ressalva para este ato.',
  no_channel_access: 'Nenhum representante tem acesso ativo à conta na plataforma.',
  no_grouping: 'As pessoas habilitadas não completam nenhum agrupamento que possa assinar.',
  forbidden: 'Uma regra da empresa proíbe este ato.',
  no_rule: 'A empresa não tem regra para este ato e valor.',
  undetermined: 'O prazo da área acabou sem que se soubesse se há coro.',
  abandoned: 'O rascunho passou do prazo e foi abandonado.',
  cancelada: 'A ordem foi cancelada.',
};

export const partner: Record<string, string> = {
  parameters: 'parametrizador',
  domains: 'domínios',
  powers: 'poderes',
  people: 'pessoas',
  registry: 'cadastro único',
  notifications: 'notificações',
};

export const waitingReason = ({ reason, partner: who }: NonNullable<OrderSummary['waiting']>): string =>
  reason === 'needs_review'
    ? 'Aguarda revisão por outra pessoa.'
    : `Aguarda resposta do sistema de ${partner[who ?? ''] ?? 'parceiros'}; é uma falha técnica, não uma negativa.`;

export const personStatus = {
  eligible: 'Pode assinar',
  uncertain: 'Em dúvida',
  blocked: 'Não pode assinar',
} as const;

export const personReason: Record<string, string> = {
  value_limit: 'limite de valor',
  validity: 'mandato fora da vigência',
  suspended: 'suspensa',
  other: 'ressalva em texto',
  operator_inactive: 'operador inativo',
  no_account_access: 'sem acesso à conta',
  operator_unknown: 'cadastro único não respondeu',
};

export const verdictReason: Record<string, string> = {
  forbidden: 'ato proibido por regra',
  source_unavailable: 'uma fonte de poderes não respondeu',
  unread_restriction: 'há uma proibição que o sistema não soube ler',
  uncertain_people: 'há pessoas em dúvida',
  unread_rule: 'há uma regra que o sistema não soube ler',
  no_rule: 'não há regra para este ato',
  not_enough_people: 'faltam pessoas',
  too_complex: 'o caso é complexo demais para uma resposta exata',
};

export const role = { requester: 'Requisitante', guarantor: 'Garantidor' } as const;
export const partyType = { company: 'Empresa', person: 'Pessoa' } as const;

export const eventType: Record<string, string> = {
  order_created: 'Ordem criada',
  waiting: 'À espera',
  decided: 'Decidida',
  reviewed: 'Revisada',
  cancelled: 'Cancelada',
  abandoned: 'Abandonada',
};

export const reportStatus: Record<Report['status'], string> = {
  queued: 'Na fila',
  running: 'Em andamento',
  completed: 'Pronto',
  failed: 'Falha',
  cancelled: 'Cancelado',
  expired: 'Expirado',
};

export const reportFailure: Record<NonNullable<Report['failure']>['reason'], string> = {
  not_allowed: 'Um direito necessário para este relatório foi retirado.',
  too_large: 'O relatório não cabe neste formato. Peça em CSV, ou um período menor.',
  time_limit: 'O relatório passou do tempo máximo. Peça um período menor.',
  interrupted: 'O processo que fazia o relatório caiu várias vezes. Peça de novo.',
  technical: 'Uma parte do sistema não funcionou. Peça de novo; se continuar, avise o suporte.',
};

export const reportFormat: Record<Report['request']['format'], string> = {
  csv: 'CSV (planilhas)',
  xlsx: 'Excel (XLSX)',
  pdf: 'PDF (até 20.000 linhas)',
  json: 'JSON',
  ndjson: 'JSON por linha (NDJSON)',
  parquet: 'Parquet',
};

export const parameterName = {
  areaId: 'Área',
  contractId: 'Contrato',
  clientId: 'Cliente (CPF ou CNPJ)',
  requesterId: 'Requisitante (CPF ou CNPJ)',
  participantId: 'Participante (CPF ou CNPJ)',
  orderId: 'Número da ordem',
} as const;

/** The status of an order in the archive, in the words of its data model. */
export const archivedStatus: Record<string, string> = {
  concluida: 'Concluída',
  cancelada: 'Cancelada',
  expirada: 'Expirada',
  recusada: 'Recusada',
};

export const kindAbout: Record<string, string> = {
  'client-orders': 'Dados básicos das ordens que o cliente pediu ou de que participa.',
  'area-orders': 'As ordens de uma área.',
  'contract-orders': 'As ordens de um contrato.',
  'requester-orders': 'As ordens que um cliente pediu.',
  'participant-orders': 'As ordens de que um cliente participa.',
  'order-participants': 'Quem participa de uma ordem.',
  'order-rules': 'As regras de uma ordem.',
  'order-metadata': 'Os metadados de uma ordem.',
  'order-notifications': 'As notificações de uma ordem.',
  'order-events': 'Os eventos de uma ordem.',
  'participant-metadata': 'Os metadados de um participante.',
  'participant-events': 'Os eventos de um participante.',
};
