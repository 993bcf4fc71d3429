import { type AnswerToKeep, keepAnswerSql, keptAnswerValues } from '../platform/idempotency.ts';
import { type Db, prepared, type Tx } from '../platform/postgres.ts';
import type { QuorumInput } from '../quorum/contract.ts';
import type { EvidenceItem } from './facts.ts';
import { fromStatusEnvelope, type OpenOrder, type OrderTerms, personType, type WaitReason } from './model.ts';
import type { OrderRequest } from './request.ts';
import type { Review } from './review.ts';
import type { BoundSettlement } from './settlement.ts';

export type NewOrder = {
  orderKey: string;
  request: OrderRequest;
  terms: OrderTerms;
  participants: number;
  createdAt: Date;
  decideBy: Date;
  author: string;
  requestId: string;
  answer: AnswerToKeep | null;
};

const insertOrderSql = prepared(
  'orders.insert',
  `WITH envelope AS (
       INSERT INTO envelopes (envelope_id, area_id, contrato_id, status_envelope, plataforma_id,
         meio_assinatura_id, poder, valor_centavos, requisitante_id, tipo_requisitante, numero_participantes,
         pedido, parametros, prazo_decisao, data_criacao, criado_por, data_atualizacao, atualizado_por)
       VALUES ($1, $2, $3, 'rascunho', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $14, $15)
     ), evento AS (
       INSERT INTO eventos_envelope (envelope_id, tipo_evento, data_evento, autor)
       VALUES ($1, 'order_created', $14, $15)
     ), trilha AS (
       INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id, requisicao)
       VALUES ($14, $15, 'order.create', $1, $2, $16)
     )
     ${keepAnswerSql({ now: 14, first: 17 })}`,
);

/**
 * The draft with its event, its audit row and its idempotent answer, in one statement: one round trip.
 * false: the key is taken, by an answer or by a transaction that is still running. Then this one must be
 * rolled back.
 */
export const insertOrder = async (tx: Tx, order: NewOrder): Promise<boolean> => {
  const { request, answer } = order;
  const { rowCount } = await tx.query(
    insertOrderSql([
      order.orderKey,
      request.areaId,
      request.contractId ?? null,
      request.platform,
      request.signatureMethod,
      request.power,
      request.amountCents,
      request.requester.document,
      personType[request.requester.type],
      order.participants,
      JSON.stringify(request),
      JSON.stringify(order.terms),
      order.decideBy,
      order.createdAt,
      order.author,
      order.requestId,
      ...keptAnswerValues(answer),
    ]),
  );
  return answer === null || rowCount === 1;
};

type OpenOrderRow = {
  area_id: string;
  status_envelope: string;
  pedido: OrderRequest;
  parametros: OrderTerms;
  data_criacao: Date;
  prazo_decisao: Date;
  tentativas: number;
  motivo_espera: WaitReason | null;
  evidencias:
    | { parceiro: string; consulta: string; corpo: string; hash_sha256: string; recebida_em: string }[]
    | null;
  acertos: BoundSettlement[][] | null;
};

export type LoadedOrder = { order: OpenOrder; evidence: EvidenceItem[]; settlements: BoundSettlement[] };

const loadOrderSql = prepared(
  'orders.load',
  `SELECT e.area_id, e.status_envelope, e.pedido, e.parametros, e.data_criacao, e.prazo_decisao,
       e.tentativas, e.motivo_espera,
       (SELECT json_agg(v ORDER BY v.recebida_em) FROM evidencias v
        WHERE v.envelope_id = e.envelope_id AND v.recebida_em >= $2::timestamptz - make_interval(
           secs => greatest($3::int, (e.parametros->>'evidenceMaxAgeSeconds')::int))) AS evidencias,
       (SELECT json_agg(r.acertos ORDER BY r.revisao_id) FROM revisoes r
        WHERE r.envelope_id = e.envelope_id) AS acertos
     FROM envelopes e WHERE e.envelope_id = $1`,
);

/**
 * An order with its fresh evidence and every settlement, in one round trip. Evidence is fresh for
 * `freshSeconds`, or for the area's maximum age where that is longer.
 */
export const loadOrder = async (
  db: Db,
  orderKey: string,
  now: Date,
  freshSeconds: number,
): Promise<LoadedOrder | null> => {
  const { rows } = await db.query<OpenOrderRow>(loadOrderSql([orderKey, now, freshSeconds]));
  const row = rows[0];
  if (!row) return null;
  return {
    order: {
      orderKey,
      areaId: row.area_id,
      status: fromStatusEnvelope(row.status_envelope),
      request: row.pedido,
      terms: row.parametros,
      createdAt: row.data_criacao,
      decideBy: row.prazo_decisao,
      attempts: row.tentativas,
      wait: row.motivo_espera,
    },
    evidence: (row.evidencias ?? []).map((item) => ({
      partner: item.parceiro as EvidenceItem['partner'],
      query: item.consulta,
      raw: item.corpo,
      sha256: item.hash_sha256,
      receivedAt: new Date(item.recebida_em).toISOString(),
    })),
    // A later review of the same doubt takes the place of an earlier one.
    settlements: (row.acertos ?? []).reverse().flat(),
  };
};

const evidenceSql = prepared(
  'orders.evidence',
  `WITH assincrono AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
     andamento AS (
       UPDATE envelopes SET status_envelope = 'em_processamento'
       WHERE envelope_id = $1 AND $7 AND status_envelope = 'rascunho'
     )
     INSERT INTO evidencias (envelope_id, parceiro, consulta, recebida_em, hash_sha256, corpo)
     SELECT $1, v.* FROM assincrono, unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[]) v
     ON CONFLICT DO NOTHING`,
);

/**
 * Keeps answers as evidence; the first also says that the order is in processing.
 * Run with `synchronous_commit` off: the log is written in order, so whenever a decision that used an answer
 * is durable the answer is too, and losing an answer that nothing used only means to ask again.
 */
export const insertEvidence = async (
  db: Db,
  orderKey: string,
  items: readonly EvidenceItem[],
  markProcessing: boolean,
): Promise<void> => {
  const column = (pick: (item: EvidenceItem) => string): string[] => items.map(pick);
  await db.query(
    evidenceSql([
      orderKey,
      column((item) => item.partner),
      column((item) => item.query),
      column((item) => item.receivedAt),
      column((item) => item.sha256),
      column((item) => item.raw),
      markProcessing,
    ]),
  );
};

/** Keeps a review; answers how often the order has been attempted, for the job that decides it again. */
export const insertReview = async (
  tx: Tx,
  review: Pick<Review, 'reason' | 'evidence'> & {
    settlements: readonly BoundSettlement[];
    id: string;
    orderKey: string;
    areaId: string;
    author: string;
    at: Date;
    requestId: string;
  },
): Promise<number> => {
  const { rows } = await tx.query<{ tentativas: number }>(
    `WITH revisao AS (
       INSERT INTO revisoes (revisao_id, envelope_id, autor, motivo, evidencia, acertos, data_revisao)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
     ), trilha AS (
       INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id, requisicao, detalhe)
       VALUES ($7, $3, 'order.review', $2, $9, $8, json_build_object('review', $1::text)::text)
     ), evento AS (
       INSERT INTO eventos_envelope (envelope_id, tipo_evento, data_evento, autor, detalhe)
       VALUES ($2, 'reviewed', $7, $3, jsonb_build_object('review', $1::text, 'reason', $4::text))
     )
     SELECT tentativas FROM envelopes WHERE envelope_id = $2 FOR UPDATE`,
    [
      review.id,
      review.orderKey,
      review.author,
      review.reason,
      review.evidence,
      JSON.stringify(review.settlements),
      review.at,
      review.requestId,
      review.areaId,
    ],
  );
  return rows[0]?.tentativas ?? 0;
};

/** The engine's inputs of the last decision, party by party. */
export const loadInputs = async (db: Db, orderKey: string): Promise<QuorumInput[]> => {
  const { rows } = await db.query<{ entrada: string }>(
    'SELECT entrada FROM partes WHERE envelope_id = $1 ORDER BY parte',
    [orderKey],
  );
  return rows.map(({ entrada }) => JSON.parse(entrada) as QuorumInput);
};
