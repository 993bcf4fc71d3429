import type { Alternative, InexactField, Requirement, Reservation, Source } from './contract.ts';
import type { RuleName, Wording } from './wording.ts';
import { reais, saoPauloParts } from './wording.ts';

const listFormat = new Intl.ListFormat('pt-BR', { type: 'conjunction' });
const list = (items: readonly string[]): string => listFormat.format(items);

const money = (cents: number): string => `R$ ${reais(cents, '.', ',')}`;

const instant = (rfc3339: string): string => {
  const parts = saoPauloParts(rfc3339, '2-digit');
  return parts ? `${parts.day}/${parts.month}/${parts.year}, ${parts.time}` : rfc3339;
};

const sources: Record<Source, string> = { rules: 'regras', groups: 'grupos' };

const rules = (names: readonly RuleName[]): string =>
  list(names.map((rule) => `regra ${rule.id} (versão ${rule.version})`));

const period = (from: string | null, to: string | null): string => {
  if (from === null) return to === null ? 'sem prazo' : `antes de ${instant(to)}`;
  return to === null
    ? `a partir de ${instant(from)}`
    : `a partir de ${instant(from)} e antes de ${instant(to)}`;
};

const amount = ({ min }: Requirement): string => {
  if (min === 'all') return 'todas as pessoas';
  if (min === 'majority') return 'a maioria (mais da metade)';
  return min === 1 ? '1 pessoa' : `${min} pessoas`;
};

const restriction = ({ powers = [], channels = [], products = [] }: Reservation): string =>
  [
    ...(powers.length > 0
      ? [`; só para ${powers.length > 1 ? 'os poderes' : 'o poder'} ${list(powers)}`]
      : []),
    ...(channels.length > 0
      ? [`; só para ${channels.length > 1 ? 'os canais' : 'o canal'} ${list(channels)}`]
      : []),
    ...(products.length > 0
      ? [`; só para ${products.length > 1 ? 'os produtos' : 'o produto'} ${list(products)}`]
      : []),
  ].join('');

const requires: Wording['requires'] = (alternative: Alternative, names) => {
  const demanded = alternative.requires ?? [];
  const parts = demanded.map((one) => `${amount(one)} do grupo ${names.group(one.group)}`);
  const counting =
    demanded.length < 2
      ? ''
      : alternative.counting === 'cumulative'
        ? ' (a mesma pessoa pode contar em mais de um requisito)'
        : ' (pessoas diferentes em cada requisito)';
  const mandatory = alternative.mandatory ?? [];
  const sentences = [
    ...(parts.length > 0 ? [`Exige ${list(parts)}${counting}.`] : []),
    ...(mandatory.length > 0 ? [`Assinatura obrigatória de ${list(mandatory.map(names.person))}.`] : []),
    ...(alternative.notTogether ?? []).map(
      ([one, other]) => `${names.person(one)} e ${names.person(other)} não assinam juntos.`,
    ),
    ...(alternative.excludesRequester ? ['Quem pediu o ato não assina.'] : []),
  ];
  return sentences.join(' ');
};

const inexactNames: Record<InexactField, string> = {
  coalitions: 'a lista de combinações',
  indispensable: 'as pessoas indispensáveis',
  toleratedAbsences: 'as ausências toleradas',
  signed: 'o que completa as assinaturas',
  nearest: 'os caminhos mais curtos',
};

export const ptBr: Wording = {
  headline: {
    quorum: 'HÁ CORO: este ato pode ser assinado por qualquer das combinações de pessoas indicadas abaixo.',
    no_quorum: 'NÃO HÁ CORO: este ato não pode ser assinado na situação informada.',
    undetermined: 'SEM DECISÃO: não se pôde afirmar que há coro, nem que não há. Isto não é uma recusa.',
  },
  act: ({ power, amount: value, channel, product }) =>
    `Ato: poder ${power}; ${value === null ? 'sem valor' : `valor ${value}`}; canal ${channel}${product === null ? '' : `; produto ${product}`}.`,
  at: (at) => `Situação em ${at} (horário de São Paulo).`,
  requester: (name) => `Pedido feito por ${name}.`,
  channelAccess: {
    required: 'O ato exige acesso ativo ao canal e à conta.',
    ignored: 'O ato não exige acesso ao canal: a situação de operador não foi considerada.',
  },

  why: 'Por quê',
  plainReason: {
    no_rule:
      'Nenhuma das regras recebidas que permitem assinar trata deste ato (poder, valor, canal, produto e data considerados).',
    not_enough_people: 'As pessoas que podem assinar não completam nenhuma das alternativas.',
    too_complex:
      'Limite do cálculo: o caso é grande demais para que se prove que há coro ou que não há. Não é uma recusa.',
  },
  uncertainPeople: {
    unread: 'Dúvida: o coro depende de pessoas com ressalva que não foi interpretada.',
    unanswered: 'Falha técnica: o coro depende de pessoas sobre as quais o cadastro não respondeu.',
    both: 'Dúvida e falha técnica: o coro depende de pessoas com ressalva que não foi interpretada, ou sobre as quais o cadastro não respondeu.',
  },
  forbidden: (names) => `Proibição: o ato é proibido pela ${rules(names)}.`,
  unreadRestriction: (names) =>
    `Dúvida: há restrição cujo texto não foi interpretado e que pode proibir o ato: ${rules(names)}.`,
  unreadRule: (names) =>
    `Dúvida: há regra cujo texto não foi interpretado e que pode permitir o ato: ${rules(names)}.`,
  sourceUnavailable: (names) =>
    `Falha técnica: não houve resposta da fonte de ${list(names.map((name) => sources[name]))}. Nada se conclui sobre os poderes; é preciso consultar de novo.`,

  eligible: 'Quem pode assinar, por não ter impedimento próprio',
  blocked: 'Quem não pode assinar, e por quê',
  uncertain: 'Situação não confirmada (nem sim, nem não)',
  nobody: 'Ninguém.',
  reservation: (reservation) => {
    const scope = restriction(reservation);
    switch (reservation.kind) {
      case 'value_limit':
        return `ressalva de valor (até ${money(reservation.maxCents)}${scope})`;
      case 'validity':
        return `ressalva de prazo (assina somente ${period(reservation.from ?? null, reservation.to ?? null)}${scope})`;
      case 'suspended':
        return `ressalva de suspensão${scope === '' ? '' : ` (${scope.slice(2)})`}`;
      case 'other':
        return `ressalva não interpretada (${reservation.text === undefined ? 'sem texto' : `“${reservation.text}”`}${scope})`;
    }
  },
  reservationReason: (reservation, value) => {
    switch (reservation.kind) {
      case 'value_limit':
        return `este ato é de ${value}`;
      case 'validity':
        return 'fora desse período não assina';
      case 'suspended':
        return 'o poder de assinar está suspenso';
      case 'other':
        return 'precisa ser lida por uma pessoa';
    }
  },
  operatorReason: {
    operator_inactive: 'não é operador ativo no canal',
    no_account_access: 'não tem acesso à conta no canal',
    operator_unknown: 'falha técnica: o cadastro não informou se é operador ativo e se tem acesso à conta',
  },

  coalitions: ({ listed, total, exact }) => {
    const count = exact ? String(total) : `pelo menos ${total}`;
    return `Combinações que bastam (${count}${listed < total ? `; as ${listed} primeiras` : ''})`;
  },
  coalitionsInVain: 'Elas só valem se o impedimento acima deixar de existir.',
  noAlternative: 'Não há regra lida que se aplique ao ato: nenhuma combinação pode ser indicada.',
  noCoalition: 'Com os dados recebidos, nenhuma combinação de quem pode assinar basta.',
  unprovenNoCoalition: 'Nenhuma combinação foi encontrada dentro do limite do cálculo; pode haver.',
  moreCoalitions: (count) => (count === 1 ? '… e mais 1.' : `… e mais ${count}.`),
  indispensable: (names) => `Indispensável, por estar em todas as combinações: ${list(names)}.`,
  noneIndispensable: 'Ninguém é indispensável.',
  absences: (count) =>
    `Ausências toleradas entre quem pode assinar, falte quem faltar: ${count === 0 ? 'nenhuma' : `até ${count}`}.`,

  signed: (names) => (names.length > 0 ? `Assinaram: ${list(names)}.` : 'Ninguém assinou ainda.'),
  signedWithoutEffect: (names) => `Não contam, porque não constam entre quem pode assinar: ${list(names)}.`,
  signedEnough: 'As assinaturas colhidas completam uma combinação.',
  signedShort: 'As assinaturas colhidas ainda não completam nenhuma combinação.',
  completions: 'Para completar uma, basta que assine um destes conjuntos:',

  rules: 'Regras que se aplicam',
  alternative: (rule, alternative, satisfied) =>
    `Regra ${rule.id} (versão ${rule.version}), alternativa ${alternative}: ${satisfied ? 'atendida' : 'não atendida'}.`,
  requires,
  missing: (group, have, need) => `Grupo ${group}: pessoas necessárias, ${need}; podem assinar, ${have}.`,
  cause: {
    mandatory_unavailable: 'Quem tem assinatura obrigatória não pode assinar.',
    not_together: 'Só seria atendida com pessoas que não podem assinar juntas.',
    overlap: 'As contagens bastam em separado, mas faltam pessoas diferentes para preencher todas.',
    empty_group: 'Um dos grupos exigidos não tem membros nesta data.',
    above_group_size: 'Exige mais pessoas do que o grupo tem.',
  },

  nearest: 'O que falta: os caminhos mais curtos',
  nearestInVain: 'Não bastam por si: o impedimento acima também precisa deixar de existir.',
  noNearest: 'Nenhuma regularização das pessoas informadas completa uma combinação.',
  repair: (repair, name, reservation) => {
    switch (repair.action) {
      case 'lift_reservation':
        return `retirar de ${name} a ${reservation}`;
      case 'confirm_operator':
        return `confirmar no cadastro que ${name} é operador ativo e tem acesso à conta`;
      case 'activate_operator':
        return `ativar ${name} como operador no canal`;
      case 'grant_account_access':
        return `dar a ${name} acesso à conta no canal`;
    }
  },
  repaired: (names) => `Então basta: ${list(names)}.`,

  stableUntil: (until) =>
    until === null
      ? 'Nenhuma data informada começa ou termina depois: com estes mesmos dados, a decisão não muda.'
      : `Com estes mesmos dados, a decisão não muda antes de ${until} (horário de São Paulo).`,
  inexact: (fields) =>
    `Limite do cálculo: não se comprovou que estejam completos: ${list(fields.map((field) => inexactNames[field]))}.`,
  record: (inputHash, engineVersion) =>
    `Registro: entrada ${inputHash}; motor de decisão, versão ${engineVersion}.`,

  money,
  instant,
  list,
};
