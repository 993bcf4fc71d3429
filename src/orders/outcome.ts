import { batched, batchLockTimeout } from '../platform/batches.ts';
import { type Db, prepared, type Tx } from '../platform/postgres.ts';
import {
  type FailureReason,
  type OrderDecision,
  type PartyDecision,
  partyRole,
  personType,
  toStatusEnvelope,
} from './model.ts';

export type Outcome = {
  orderKey: string;
  areaId: string;
  author: string;
  at: Date;
  status: 'completed' | 'failed' | 'processing';
  failureReason: FailureReason | null;
  wait: OrderDecision['wait'];
  parties: readonly PartyDecision[];
  /** Certificates by party index, where the order is decided. */
  certificates: readonly (string | null)[];
  event: { type: string; detail: Record<string, unknown> } | null;
  message: { id: string; type: string; body: string } | null;
  action: string;
};

const writeOutcomes = async (db: Db, outcomes: readonly Outcome[]): Promise<boolean[]> => {
  const { rows } = await db.query<{ n: number }>(
    outcomesSql([
      batchLockTimeout(outcomes),
      JSON.stringify(outcomes.map(orderRow)),
      JSON.stringify(outcomes.flatMap(partyRows)),
      JSON.stringify(outcomes.flatMap(personRows)),
    ]),
  );
  const written = new Set(rows.map(({ n }) => n));
  return outcomes.map((_, n) => written.has(n));
};

/**
 * Writes what was decided: status, parties, people, event, message and audit, in one statement and only
 * while the order is still open. Answers whether it was: a twin of the job, or a cancellation, may have
 * come first, and then nothing at all is written.
 */
export const writeOutcome = async (tx: Tx, outcome: Outcome): Promise<boolean> => {
  const [written] = await writeOutcomes(tx, [outcome]);
  return written ?? false;
};

/** The same where nothing else belongs to the transaction: the outcomes of other orders share it. */
export const writeOutcomeInBatch = batched(writeOutcomes);

// Rows in the columns of the tables, with the number of their outcome in the batch.

const orderRow = (outcome: Outcome, n: number) => ({
  n,
  envelope_id: outcome.orderKey,
  area_id: outcome.areaId,
  status_envelope: toStatusEnvelope(outcome.status),
  // What was never decided must not read as "no quorum" to whoever counts.
  coro_completo:
    outcome.status === 'processing' || outcome.failureReason === 'undetermined'
      ? null
      : outcome.status === 'completed',
  motivo_falha: outcome.failureReason,
  motivo_espera: outcome.wait?.reason ?? null,
  parceiro_esperado: outcome.wait?.partner ?? null,
  em: outcome.at,
  autor: outcome.author,
  tipo_evento: outcome.event?.type ?? null,
  detalhe: outcome.event?.detail ?? {},
  mensagem_id: outcome.message?.id ?? null,
  tipo_mensagem: outcome.message?.type ?? null,
  corpo: outcome.message?.body ?? null,
  acao: outcome.action,
});

const partyRows = ({ parties, certificates }: Outcome, n: number) =>
  parties.map(({ party, verdict, failureReason, input, output }, index) => ({
    n,
    parte: party.index,
    papel: partyRole[party.role],
    tipo_pessoa: personType[party.type],
    documento: party.document,
    veredito: verdict,
    motivo_falha: failureReason,
    entrada: input,
    saida: JSON.stringify(output),
    certificado: certificates[index] ?? null,
  }));

const personRows = ({ parties }: Outcome, n: number) =>
  parties.flatMap(({ party, participants }) =>
    participants.map(({ id, document, name, email, phone, reserved, enabled }) => ({
      n,
      parte: party.index,
      pessoa_id: id,
      documento: document,
      nome: name,
      email,
      telefone: phone,
      reservado: reserved,
      habilitado: enabled,
    })),
  );

// Everything hangs on the row that the update gives back: of two outcomes of one order, one at most.
const outcomesSql = prepared(
  'orders.outcomes',
  `
  WITH limite AS MATERIALIZED (
    SELECT set_config('lock_timeout', coalesce($1, current_setting('lock_timeout')), true)
  ), envelope AS (
    UPDATE envelopes e SET
      status_envelope = o.status_envelope, coro_completo = o.coro_completo, motivo_falha = o.motivo_falha,
      motivo_espera = o.motivo_espera, parceiro_esperado = o.parceiro_esperado, tentativas = tentativas + 1,
      data_atualizacao = o.em, atualizado_por = o.autor,
      decidido_em = CASE WHEN o.status_envelope IN ('concluido', 'falha') THEN o.em END
    FROM limite, json_to_recordset($2::json) AS o (n int, envelope_id text, area_id text, status_envelope text,
      coro_completo bool, motivo_falha text, motivo_espera text, parceiro_esperado text, em timestamptz,
      autor text, tipo_evento text, detalhe jsonb, mensagem_id text, tipo_mensagem text, corpo text, acao text)
    WHERE e.envelope_id = o.envelope_id AND e.status_envelope IN ('rascunho', 'em_processamento')
    RETURNING o.*
  ), parte AS (
    INSERT INTO partes (envelope_id, parte, papel, tipo_pessoa, documento, veredito, motivo_falha, entrada,
      saida, certificado)
    SELECT e.envelope_id, p.parte, p.papel, p.tipo_pessoa, p.documento, p.veredito, p.motivo_falha, p.entrada,
      p.saida, p.certificado
    FROM envelope e JOIN json_to_recordset($3::json) AS p (n int, parte int, papel text, tipo_pessoa text,
      documento text, veredito text, motivo_falha text, entrada text, saida text, certificado text) USING (n)
  ), participante AS (
    INSERT INTO participantes (envelope_id, parte, pessoa_id, documento, nome, email, telefone, reservado,
      habilitado)
    SELECT e.envelope_id, p.parte, p.pessoa_id, p.documento, p.nome, p.email, p.telefone, p.reservado, p.habilitado
    FROM envelope e JOIN json_to_recordset($4::json) AS p (n int, parte int, pessoa_id text, documento text,
      nome text, email text, telefone text, reservado bool, habilitado bool) USING (n)
  ), evento AS (
    INSERT INTO eventos_envelope (envelope_id, tipo_evento, data_evento, autor, detalhe)
    SELECT envelope_id, tipo_evento, em, autor, detalhe FROM envelope WHERE tipo_evento IS NOT NULL
  ), mensagem AS (
    INSERT INTO mensagens (mensagem_id, area_id, envelope_id, tipo, corpo, data_criacao)
    SELECT mensagem_id, area_id, envelope_id, tipo_mensagem, corpo, em FROM envelope
    WHERE mensagem_id IS NOT NULL
  ), trilha AS (
    INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id)
    SELECT em, autor, acao, envelope_id, area_id FROM envelope
  )
  SELECT n FROM envelope`,
);

/**
 * Forgets the parties of an earlier, undetermined attempt, before the next one writes its own. Locks the order,
 * and touches nothing once it is decided: a twin of the job may have been faster.
 */
export const deleteParties = async (tx: Tx, orderKey: string): Promise<void> => {
  await tx.query(
    `WITH aberto AS (
       SELECT envelope_id FROM envelopes
       WHERE envelope_id = $1 AND status_envelope IN ('rascunho', 'em_processamento') FOR NO KEY UPDATE
     )
     DELETE FROM partes WHERE envelope_id IN (SELECT envelope_id FROM aberto)`,
    [orderKey],
  );
};
