import type { Pool } from 'pg';
import { batched, batchLockTimeout } from '../platform/batches.ts';
import { type AnswerToKeep, keepAnswersSql, keptAnswerRow } from '../platform/idempotency.ts';
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

const insertOrdersSql = prepared(
  'orders.insert',
  `WITH pedido AS MATERIALIZED (
       SELECT * FROM json_to_recordset($1::json) AS p (n int, envelope_id text, area_id text, contrato_id text,
         plataforma_id text, meio_assinatura_id text, poder text, valor_centavos bigint, requisitante_id text,
         tipo_requisitante text, numero_participantes int, pedido jsonb, parametros jsonb,
         prazo_decisao timestamptz, em timestamptz, autor text, requisicao text, cliente_id text, chave text,
         hash_corpo text, status_http int, local_http text, resposta text, expira_em timestamptz)
     ), chave AS (
       ${keepAnswersSql('pedido')}
     ), aceito AS (
       SELECT p.* FROM pedido p LEFT JOIN chave k USING (cliente_id, chave)
       WHERE p.chave IS NULL OR k.chave IS NOT NULL
     ), envelope AS (
       INSERT INTO envelopes (envelope_id, area_id, contrato_id, status_envelope, plataforma_id,
         meio_assinatura_id, poder, valor_centavos, requisitante_id, tipo_requisitante, numero_participantes,
         pedido, parametros, prazo_decisao, data_criacao, criado_por, data_atualizacao, atualizado_por)
       SELECT envelope_id, area_id, contrato_id, 'rascunho', plataforma_id, meio_assinatura_id, poder,
         valor_centavos, requisitante_id, tipo_requisitante, numero_participantes, pedido, parametros,
         prazo_decisao, em, autor, em, autor FROM aceito
     ), evento AS (
       INSERT INTO eventos_envelope (envelope_id, tipo_evento, data_evento, autor)
       SELECT envelope_id, 'order_created', em, autor FROM aceito
     ), trilha AS (
       INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id, requisicao)
       SELECT em, autor, 'order.create', envelope_id, area_id, requisicao FROM aceito
     )
     SELECT n FROM aceito`,
);

const newOrderRow = ({ request, answer, ...order }: NewOrder, n: number) => ({
  n,
  envelope_id: order.orderKey,
  area_id: request.areaId,
  contrato_id: request.contractId ?? null,
  plataforma_id: request.platform,
  meio_assinatura_id: request.signatureMethod,
  poder: request.power,
  valor_centavos: request.amountCents,
  requisitante_id: request.requester.document,
  tipo_requisitante: personType[request.requester.type],
  numero_participantes: order.participants,
  pedido: request,
  parametros: order.terms,
  prazo_decisao: order.decideBy,
  em: order.createdAt,
  autor: order.author,
  requisicao: order.requestId,
  ...keptAnswerRow(answer),
});

/**
 * Drafts with their events, audit rows and idempotent answers. Answers for each whether it was stored: not where
 * its key is taken, by an answer or by a transaction that is still running.
 */
export const insertOrders = async (tx: Tx, orders: readonly NewOrder[]): Promise<boolean[]> => {
  const { rows } = await tx.query<{ n: number }>(insertOrdersSql([JSON.stringify(orders.map(newOrderRow))]));
  const stored = new Set(rows.map(({ n }) => n));
  return orders.map((_, n) => stored.has(n));
};

type OpenOrderRow = {
  n: number;
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

const loadOrdersSql = prepared(
  'orders.load',
  `SELECT q.n::int, e.area_id, e.status_envelope, e.pedido, e.parametros, e.data_criacao, e.prazo_decisao,
       e.tentativas, e.motivo_espera,
       (SELECT json_agg(v ORDER BY v.recebida_em) FROM evidencias v
        WHERE v.envelope_id = e.envelope_id AND v.recebida_em >= q.agora - make_interval(
           secs => greatest(q.segundos, (e.parametros->>'evidenceMaxAgeSeconds')::int))) AS evidencias,
       (SELECT json_agg(r.acertos ORDER BY r.revisao_id) FROM revisoes r
        WHERE r.envelope_id = e.envelope_id) AS acertos
     FROM unnest($1::text[], $2::timestamptz[], $3::int[]) WITH ORDINALITY AS q (envelope_id, agora, segundos, n)
       JOIN envelopes e ON e.envelope_id = q.envelope_id`,
);

/**
 * An order with its fresh evidence and every settlement, or null. Evidence is fresh for `freshSeconds`, or for
 * the area's maximum age where that is longer.
 */
export const loadOrder = batched<
  Pool,
  { orderKey: string; now: Date; freshSeconds: number },
  LoadedOrder | null
>(async (db, asked) => {
  const { rows } = await db.query<OpenOrderRow>(
    loadOrdersSql([
      asked.map(({ orderKey }) => orderKey),
      asked.map(({ now }) => now),
      asked.map(({ freshSeconds }) => freshSeconds),
    ]),
  );
  const found = new Map(rows.map((row) => [row.n, row]));
  return asked.map(({ orderKey }, index) => {
    const row = found.get(index + 1);
    return row ? loadedOrder(orderKey, row) : null;
  });
});

const loadedOrder = (orderKey: string, row: OpenOrderRow): LoadedOrder => ({
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
});

const evidenceSql = prepared(
  'orders.evidence',
  `WITH assincrono AS MATERIALIZED (
       SELECT set_config('synchronous_commit', 'off', true),
         set_config('lock_timeout', coalesce($1, current_setting('lock_timeout')), true)
     ), andamento AS (
       UPDATE envelopes e SET status_envelope = 'em_processamento'
       FROM assincrono, unnest($2::text[]) AS rascunho (envelope_id)
       WHERE e.envelope_id = rascunho.envelope_id AND e.status_envelope = 'rascunho'
     )
     INSERT INTO evidencias (envelope_id, parceiro, consulta, recebida_em, hash_sha256, corpo)
     SELECT v.* FROM assincrono,
       unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[]) v
     ON CONFLICT DO NOTHING`,
);

/**
 * Keeps answers as evidence; the first also says that the order is in processing (`markProcessing`).
 * Run with `synchronous_commit` off: the log is written in order, so whenever a decision that used an answer
 * is durable the answer is too, and losing an answer that nothing used only means to ask again.
 */
export const insertEvidence = batched<
  Pool,
  { orderKey: string; items: readonly EvidenceItem[]; markProcessing: boolean },
  void
>(async (db, kept) => {
  const rows = kept.flatMap(({ orderKey, items }) => items.map((item) => ({ orderKey, ...item })));
  await db.query(
    evidenceSql([
      batchLockTimeout(kept),
      kept.filter(({ markProcessing }) => markProcessing).map(({ orderKey }) => orderKey),
      rows.map(({ orderKey }) => orderKey),
      rows.map(({ partner }) => partner),
      rows.map(({ query }) => query),
      rows.map(({ receivedAt }) => receivedAt),
      rows.map(({ sha256 }) => sha256),
      rows.map(({ raw }) => raw),
    ]),
  );
  return kept.map(() => undefined);
});

/**
 * Keeps a review; answers how often the order has been attempted, for the job that decides it again. Null, and nothing
 * is kept, where the order does not wait (any more): it may have been decided or cancelled since it was read.
 */
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
): Promise<number | null> => {
  const { rows } = await tx.query<{ tentativas: number }>(
    `WITH aberto AS (
       SELECT tentativas FROM envelopes
       WHERE envelope_id = $2 AND status_envelope = 'em_processamento' AND motivo_espera IS NOT NULL
       FOR NO KEY UPDATE
     ), revisao AS (
       INSERT INTO revisoes (revisao_id, envelope_id, autor, motivo, evidencia, acertos, data_revisao)
       SELECT $1, $2, $3, $4, $5, $6, $7 FROM aberto
     ), trilha AS (
       INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id, requisicao, detalhe)
       SELECT $7, $3, 'order.review', $2, $9, $8, json_build_object('review', $1::text)::text FROM aberto
     ), evento AS (
       INSERT INTO eventos_envelope (envelope_id, tipo_evento, data_evento, autor, detalhe)
       SELECT $2, 'reviewed', $7, $3, jsonb_build_object('review', $1::text, 'reason', $4::text) FROM aberto
     )
     SELECT tentativas FROM aberto`,
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
  return rows[0]?.tentativas ?? null;
};

/** The engine's inputs of the last decision, party by party. */
export const loadInputs = async (db: Db, orderKey: string): Promise<QuorumInput[]> => {
  const { rows } = await db.query<{ entrada: string }>(
    'SELECT entrada FROM partes WHERE envelope_id = $1 ORDER BY parte',
    [orderKey],
  );
  return rows.map(({ entrada }) => JSON.parse(entrada) as QuorumInput);
};
