import type { PartnerName } from '../partners/partners.ts';
import { byArea, type Db } from '../platform/postgres.ts';
import type { QuorumInput, QuorumOutput } from '../quorum/contract.ts';
import { explain, type Language } from '../quorum/quorum.ts';
import { leastIdAt } from '../shared/ids.ts';
import { maskEmail, maskPhone } from '../shared/mask.ts';
import {
  decidingParty,
  type FailureReason,
  fromStatusEnvelope,
  type OrderDecision,
  type OrderStatus,
  type PartyDecision,
  type PartyRole,
  toStatusEnvelope,
  type WaitReason,
} from './model.ts';
import type { OrderRequest, Party } from './request.ts';

/** A representative as clients see it: named by CPF to those who may read the order, contacts masked. */
export type PersonView = {
  id: string;
  document: string;
  name: string | null;
  email: string | null;
  phone: string | null;
  status: QuorumOutput['people'][number]['status'];
  reasons: QuorumOutput['people'][number]['reasons'];
  reserved: boolean;
  enabled: boolean;
};

/** Something that the decision left open and a reviewer can settle; the names are those of `review.ts`. */
export type Doubt =
  | { kind: 'reservation'; person: string; reservation: number; text: string | null }
  | { kind: 'rule'; rule: string; version: number; effect: 'permit' | 'forbid'; groups: string[] };

export type PartyView = {
  role: PartyRole;
  type: Party['type'];
  document: string;
  verdict: QuorumOutput['verdict'];
  failureReason: FailureReason | null;
  people: PersonView[];
  doubts: Doubt[];
  decision: QuorumOutput;
  explanation: string;
  certificate: string | null;
};

/** An order in a list. */
export type OrderSummary = {
  orderKey: string;
  areaId: string;
  contractId: string | null;
  status: OrderStatus;
  verdict: QuorumOutput['verdict'] | null;
  failureReason: FailureReason | null;
  waiting: { reason: WaitReason; partner: string | null } | null;
  platform: string;
  signatureMethod: string;
  power: string;
  amountCents: number | null;
  requester: Party;
  guarantors: Party[];
  createdAt: string;
  decideBy: string;
  decidedAt: string | null;
};

/** An order whole. */
export type OrderView = OrderSummary & {
  metadata: Record<string, unknown>;
  certificate: string | null;
  parties: PartyView[];
  evidence: { partner: PartnerName; receivedAt: string; sha256: string }[];
  timeline: { type: string; at: string; by: string; detail: Record<string, unknown> }[];
};

type SummaryRow = {
  envelope_id: string;
  area_id: string;
  status_envelope: string;
  coro_completo: boolean | null;
  motivo_falha: FailureReason | null;
  motivo_espera: WaitReason | null;
  parceiro_esperado: string | null;
  pedido: OrderRequest;
  data_criacao: Date;
  prazo_decisao: Date;
  decidido_em: Date | null;
};

const summaryColumns = `envelope_id, area_id, status_envelope, coro_completo, motivo_falha, motivo_espera,
  parceiro_esperado, pedido, data_criacao, prazo_decisao, decidido_em`;

/** Failures that are no answer of the engine: they say nothing of quorum. */
const withoutVerdict = new Set<FailureReason>(['undetermined', 'abandoned', 'cancelada']);

const verdictOf = ({ coro_completo, motivo_falha, motivo_espera }: SummaryRow): OrderSummary['verdict'] => {
  if (coro_completo === true) return 'quorum';
  if (motivo_falha !== null)
    return withoutVerdict.has(motivo_falha) ? undeterminedOr(motivo_falha) : 'no_quorum';
  return motivo_espera === null ? null : 'undetermined';
};

const undeterminedOr = (reason: FailureReason): OrderSummary['verdict'] =>
  reason === 'undetermined' ? 'undetermined' : null;

const summaryOf = (row: SummaryRow): OrderSummary => ({
  orderKey: row.envelope_id,
  areaId: row.area_id,
  contractId: row.pedido.contractId ?? null,
  status: fromStatusEnvelope(row.status_envelope),
  verdict: verdictOf(row),
  failureReason: row.motivo_falha,
  waiting: row.motivo_espera && { reason: row.motivo_espera, partner: row.parceiro_esperado },
  platform: row.pedido.platform,
  signatureMethod: row.pedido.signatureMethod,
  power: row.pedido.power,
  amountCents: row.pedido.amountCents,
  requester: row.pedido.requester,
  guarantors: row.pedido.guarantors,
  createdAt: row.data_criacao.toISOString(),
  decideBy: row.prazo_decisao.toISOString(),
  decidedAt: row.decidido_em?.toISOString() ?? null,
});

type WholeRow = SummaryRow & {
  partes: StoredParty[] | null;
  eventos:
    | { tipo_evento: string; data_evento: string; autor: string; detalhe: Record<string, unknown> }[]
    | null;
  evidencias: OrderView['evidence'] | null;
};

type StoredParty = {
  parte: number;
  papel: string;
  tipo_pessoa: string;
  documento: string;
  veredito: QuorumOutput['verdict'];
  motivo_falha: FailureReason | null;
  entrada: string;
  saida: string;
  certificado: string | null;
  pessoas:
    | {
        pessoa_id: string;
        documento: string;
        nome: string | null;
        email: string | null;
        telefone: string | null;
        reservado: boolean;
        habilitado: boolean;
      }[]
    | null;
};

/** One order, only where it is of one of the areas (null: any). Otherwise null, as if it did not exist. */
export const readOrder = async (
  db: Db,
  orderKey: string,
  areas: readonly string[] | null,
  language: Language,
): Promise<OrderView | null> => {
  const { rows } = await db.query<WholeRow>(
    `SELECT ${summaryColumns},
       (SELECT json_agg(to_jsonb(p) || jsonb_build_object('pessoas',
           (SELECT jsonb_agg(to_jsonb(q) ORDER BY q.pessoa_id) FROM participantes q
            WHERE q.envelope_id = p.envelope_id AND q.parte = p.parte)) ORDER BY p.parte)
        FROM partes p WHERE p.envelope_id = e.envelope_id) AS partes,
       (SELECT json_agg(v ORDER BY v.sequencia) FROM eventos_envelope v
        WHERE v.envelope_id = e.envelope_id) AS eventos,
       (SELECT json_agg(json_build_object('partner', p.parceiro, 'receivedAt', p.recebida_em, 'sha256', p.hash_sha256)
           ORDER BY p.recebida_em, p.parceiro, p.consulta)
        FROM evidencias p WHERE p.envelope_id = e.envelope_id) AS evidencias
     FROM envelopes e
     WHERE envelope_id = $1 AND ($2::text[] IS NULL OR area_id = ANY ($2))`,
    [orderKey, areas],
  );
  const row = rows[0];
  if (!row) return null;
  return {
    ...summaryOf(row),
    metadata: row.pedido.metadata,
    certificate: row.partes?.[decidingParty(row.partes.map(({ veredito }) => veredito))]?.certificado ?? null,
    parties: (row.partes ?? []).map((party) => storedParty(party, language)),
    evidence: (row.evidencias ?? []).map((kept) => ({
      ...kept,
      receivedAt: new Date(kept.receivedAt).toISOString(),
    })),
    timeline: (row.eventos ?? []).map((event) => ({
      type: event.tipo_evento,
      at: new Date(event.data_evento).toISOString(),
      by: event.autor,
      detail: event.detalhe,
    })),
  };
};

const storedParty = (stored: StoredParty, language: Language): PartyView =>
  partyView(
    {
      role: stored.papel === 'requisitante' ? 'requester' : 'guarantor',
      type: stored.tipo_pessoa === 'pessoa_juridica' ? 'company' : 'person',
      document: stored.documento,
      failureReason: stored.motivo_falha,
      certificate: stored.certificado,
    },
    JSON.parse(stored.entrada) as QuorumInput,
    JSON.parse(stored.saida) as QuorumOutput,
    (stored.pessoas ?? []).map((person) => ({
      id: person.pessoa_id,
      document: person.documento,
      name: person.nome,
      email: person.email,
      phone: person.telefone,
      reserved: person.reservado,
      enabled: person.habilitado,
    })),
    language,
  );

const partyView = (
  party: Pick<PartyView, 'role' | 'type' | 'document' | 'failureReason' | 'certificate'>,
  input: QuorumInput,
  output: QuorumOutput,
  people: PartyDecision['participants'],
  language: Language,
): PartyView => {
  const found = new Map(output.people.map((person) => [person.id, person]));
  const names = Object.fromEntries(people.map((person) => [person.id, person.name ?? person.id]));
  return {
    ...party,
    verdict: output.verdict,
    people: people.map((person) => ({
      ...person,
      email: person.email && maskEmail(person.email),
      phone: person.phone && maskPhone(person.phone),
      status: found.get(person.id)?.status ?? 'uncertain',
      reasons: found.get(person.id)?.reasons ?? [],
    })),
    decision: output,
    doubts: doubtsOf(input, output),
    explanation: explain(input, output, { language, names }),
  };
};

/** As `checkSettlements` takes them: reservations that leave their person uncertain, and rules that nobody could read. */
const doubtsOf = ({ people, rules, groups, act }: QuorumInput, output: QuorumOutput): Doubt[] => {
  if (output.verdict !== 'undetermined') return [];
  const reservations = output.people.flatMap(({ id, reasons }) =>
    reasons.flatMap((reason): Doubt[] => {
      if (reason.code !== 'other') return [];
      const found = people.find((person) => person.id === id)?.reservations?.[reason.reservation];
      const text = found?.kind === 'other' ? (found.text ?? null) : null;
      return [{ kind: 'reservation', person: id, reservation: reason.reservation, text }];
    }),
  );
  const unread = rules.filter(({ coverage, power }) => coverage === 'unknown' && power === act.power);
  return [
    ...reservations,
    ...unread.map(
      ({ id, version, effect = 'permit' }): Doubt => ({
        ...{ kind: 'rule', rule: id, version, effect },
        groups: groups.map((group) => group.id),
      }),
    ),
  ];
};

/** A decision that was not stored (`simulate`), as clients see it. */
export const decisionView = (decision: OrderDecision, language: Language): PartyView[] =>
  decision.parties.map((party) =>
    partyView(
      {
        role: party.party.role,
        type: party.party.type,
        document: party.party.document,
        failureReason: party.failureReason,
        certificate: null,
      },
      JSON.parse(party.input) as QuorumInput,
      party.output,
      party.participants,
      language,
    ),
  );

export type OrderFilter = {
  /** null: every area. */
  areas: readonly string[] | null;
  status?: OrderStatus | undefined;
  waiting?: WaitReason | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  /** The last key of the page before. */
  after?: string | undefined;
  limit: number;
};

/**
 * A page of orders, newest first. Keys sort by creation, so the order is total and stable: what is created
 * while a client pages comes before its first page and moves nothing.
 */
export const listOrders = async (
  db: Db,
  { areas, status, waiting, from, to, after, limit }: OrderFilter,
): Promise<{ orders: OrderSummary[]; next: string | null }> => {
  // Few orders wait at any time, and an index has just those: told apart as text, so that a plan can use it.
  const waits = waiting ? 'AND motivo_espera IS NOT NULL AND motivo_espera = $5' : 'AND $5::text IS NULL';
  const newest = (inArea: string): string =>
    `SELECT * FROM envelopes WHERE ${inArea} AND ($1::text IS NULL OR status_envelope = $1) ${waits}
       AND envelope_id >= $2 AND envelope_id < $3
     ORDER BY envelope_id DESC LIMIT $4`;
  const { rows } = await db.query<SummaryRow>(
    `SELECT ${summaryColumns} FROM (${byArea(areas, 6, newest)}) e ORDER BY envelope_id DESC LIMIT $4`,
    [
      status ? toStatusEnvelope(status) : null,
      from ? leastIdAt('ord', from) : '',
      earliest(after, to ? leastIdAt('ord', to) : undefined),
      limit + 1,
      waiting ?? null,
      ...(areas ?? []),
    ],
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { orders: page.map(summaryOf), next: rows.length > limit && last ? last.envelope_id : null };
};

const earliest = (one: string | undefined, other: string | undefined): string => {
  const keys = [one, other].filter((key) => key !== undefined).sort();
  // Above every key: the prefix, then a character after all digits and letters.
  return keys[0] ?? 'ord_~';
};
