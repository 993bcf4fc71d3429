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

/**
 * Writes what was decided: status, parties, people, event, message and audit, in one statement and only
 * while the order is still open. Answers whether it was: a twin of the job, or a cancellation, may have
 * come first, and then nothing at all is written.
 */
export const writeOutcome = async (db: Db, outcome: Outcome): Promise<boolean> => {
  const { parties } = outcome;
  const people = parties.flatMap(({ party, participants }) =>
    participants.map((person) => ({ ...person, party: party.index })),
  );
  const { rows } = await db.query(
    outcomeSql([
      outcome.orderKey,
      toStatusEnvelope(outcome.status),
      // What was never decided must not read as "no quorum" to whoever counts.
      outcome.status === 'processing' || outcome.failureReason === 'undetermined'
        ? null
        : outcome.status === 'completed',
      outcome.failureReason,
      outcome.wait?.reason ?? null,
      outcome.wait?.partner ?? null,
      outcome.at,
      outcome.author,
      parties.map(({ party }) => party.index),
      parties.map(({ party }) => partyRole[party.role]),
      parties.map(({ party }) => personType[party.type]),
      parties.map(({ party }) => party.document),
      parties.map(({ verdict }) => verdict),
      parties.map(({ failureReason }) => failureReason),
      parties.map(({ input }) => input),
      parties.map(({ output }) => JSON.stringify(output)),
      parties.map((_, index) => outcome.certificates[index] ?? null),
      people.map(({ party }) => party),
      people.map(({ id }) => id),
      people.map(({ document }) => document),
      people.map(({ name }) => name),
      people.map(({ email }) => email),
      people.map(({ phone }) => phone),
      people.map(({ reserved }) => reserved),
      people.map(({ enabled }) => enabled),
      outcome.event?.type ?? null,
      JSON.stringify(outcome.event?.detail ?? {}),
      outcome.message?.id ?? null,
      outcome.message?.type ?? null,
      outcome.message?.body ?? null,
      outcome.areaId,
      outcome.action,
    ]),
  );
  return rows.length === 1;
};

const outcomeSql = prepared(
  'orders.outcome',
  `
  WITH envelope AS (
    UPDATE envelopes SET
      status_envelope = $2, coro_completo = $3, motivo_falha = $4, motivo_espera = $5, parceiro_esperado = $6,
      tentativas = tentativas + 1, data_atualizacao = $7, atualizado_por = $8,
      decidido_em = CASE WHEN $2 IN ('concluido', 'falha') THEN $7::timestamptz END
    WHERE envelope_id = $1 AND status_envelope IN ('rascunho', 'em_processamento')
    RETURNING envelope_id
  ), parte AS (
    INSERT INTO partes (envelope_id, parte, papel, tipo_pessoa, documento, veredito, motivo_falha, entrada,
      saida, certificado)
    SELECT e.envelope_id, p.* FROM envelope e,
      unnest($9::int[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
        $17::text[]) p
  ), participante AS (
    INSERT INTO participantes (envelope_id, parte, pessoa_id, documento, nome, email, telefone, reservado,
      habilitado)
    SELECT e.envelope_id, p.* FROM envelope e,
      unnest($18::int[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::bool[],
        $25::bool[]) p
  ), evento AS (
    INSERT INTO eventos_envelope (envelope_id, tipo_evento, data_evento, autor, detalhe)
    SELECT envelope_id, $26, $7, $8, $27::jsonb FROM envelope WHERE $26::text IS NOT NULL
  ), mensagem AS (
    INSERT INTO mensagens (mensagem_id, area_id, envelope_id, tipo, corpo, data_criacao)
    SELECT $28, $31, envelope_id, $29, $30, $7 FROM envelope WHERE $28::text IS NOT NULL
  ), trilha AS (
    INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id)
    SELECT $7, $8, $32, envelope_id, $31 FROM envelope
  )
  SELECT envelope_id FROM envelope`,
);

/**
 * Forgets the parties of an earlier, undetermined attempt, before the next one writes its own. Locks the order,
 * and touches nothing once it is decided: a twin of the job may have been faster.
 */
export const deleteParties = async (tx: Tx, orderKey: string): Promise<void> => {
  await tx.query(
    `WITH aberto AS (
       SELECT envelope_id FROM envelopes
       WHERE envelope_id = $1 AND status_envelope IN ('rascunho', 'em_processamento') FOR UPDATE
     )
     DELETE FROM partes WHERE envelope_id IN (SELECT envelope_id FROM aberto)`,
    [orderKey],
  );
};
