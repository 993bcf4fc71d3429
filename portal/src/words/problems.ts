import type { ApiProblem } from '../api/problem.ts';

type Words = { title: string; advice?: string };

const byType: Record<string, Words> = {
  'validation-failed': { title: 'Há campos a corrigir', advice: 'Veja o que está apontado em cada campo.' },
  'malformed-body': { title: 'O pedido não pôde ser lido' },
  'malformed-request': { title: 'O pedido não pôde ser lido' },
  'request-timeout': {
    title: 'O pedido demorou demais para chegar',
    advice: 'Confira a conexão e tente de novo.',
  },
  'headers-too-large': { title: 'O pedido é grande demais' },
  'body-too-large': { title: 'O pedido é grande demais' },
  'invalid-cursor': { title: 'Esta página da lista não existe mais', advice: 'Volte ao início da lista.' },
  unauthenticated: { title: 'Sua sessão expirou', advice: 'Entre de novo para continuar.' },
  forbidden: {
    title: 'Você não tem permissão para isto',
    advice: 'Se deveria ter, peça o acesso a quem cuida dos perfis da sua área.',
  },
  'second-person-required': {
    title: 'Outra pessoa precisa revisar esta ordem',
    advice: 'Quem criou uma ordem não pode revisá-la.',
  },
  'not-found': { title: 'Não encontrado' },
  conflict: {
    title: 'A situação mudou enquanto você olhava',
    advice: 'Recarregue para ver como está agora.',
  },
  'request-in-progress': {
    title: 'Este pedido ainda está sendo processado',
    advice: 'Espere alguns segundos e tente de novo: nada será feito duas vezes.',
  },
  'idempotency-key-reused': {
    title: 'Este pedido já foi enviado com outro conteúdo',
    advice: 'Envie de novo.',
  },
  'order-archived': { title: 'Esta ordem está arquivada' },
  'rate-limited': { title: 'Pedidos demais em pouco tempo', advice: 'Espere um minuto e tente de novo.' },
  'report-limit': {
    title: 'O limite de relatórios foi alcançado',
    advice: 'Espere os que estão em andamento terminarem, ou tente de novo amanhã.',
  },
  'report-not-ready': { title: 'O relatório ainda não tem arquivo' },
  'report-expired': {
    title: 'O arquivo deste relatório expirou',
    advice: 'Arquivos são guardados só por alguns dias. Peça o relatório de novo.',
  },
  'partner-unavailable': {
    title: 'Um sistema parceiro não respondeu',
    advice:
      'Nada foi gravado. Tente de novo em instantes: é uma falha técnica, não uma resposta sobre a ordem.',
  },
  unavailable: { title: 'O Lastro está indisponível', advice: 'Tente de novo em instantes.' },
  internal: { title: 'Algo falhou no Lastro', advice: 'A falha foi registrada.' },
  'no-answer': {
    title: 'Sem resposta do Lastro',
    advice: 'Confira a conexão e tente de novo. O que você preencheu continua aqui.',
  },
  page: { title: 'Algo falhou nesta página', advice: 'Recarregue e tente de novo.' },
};

/** What a problem of the API is called, and what to do about it. */
export const problemWords = ({ type, status }: Pick<ApiProblem, 'type' | 'status'>): Words => {
  const known = byType[type];
  if (known) return known;
  if (status >= 500) return { title: 'O Lastro está indisponível', advice: 'Tente de novo em instantes.' };
  return { title: 'O pedido não foi aceito' };
};
