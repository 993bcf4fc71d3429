import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { expect } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';

type Totals = { open: string; to_notify: string };

/**
 * Waits until no order is open and everyone who is to be notified is. A job that was cut off several times comes
 * back after growing pauses, so this may take minutes.
 */
export const untilSettled = async (db: pg.Pool): Promise<void> => {
  let left: Totals | undefined;
  for (let tries = 0; tries < 2_400; tries++) {
    const { rows } = await db.query<Totals>(
      `SELECT (SELECT count(*) FROM envelopes WHERE status_envelope IN ('rascunho', 'em_processamento')) AS open,
         (SELECT count(*) FROM participantes p JOIN envelopes e USING (envelope_id)
          WHERE e.status_envelope = 'concluido' AND p.habilitado AND p.notificado_em IS NULL
            AND (p.email IS NOT NULL OR p.telefone IS NOT NULL)) AS to_notify`,
    );
    left = rows[0];
    if (left?.open === '0' && left.to_notify === '0') return;
    await sleep(100);
  }
  throw new Error(`expected every order decided and everyone notified, found left: ${JSON.stringify(left)}`);
};

/** How an order must end. */
export type Ends = { verdict: string; failureReason: string | null };

/**
 * What must hold of orders after any crashes: each decided exactly once, one result message each, parties and
 * people written once, nobody notified twice, and the same verdict as without a crash.
 */
export const expectSettledOnce = async (
  db: pg.Pool,
  sandbox: Sandbox,
  expected: ReadonlyMap<string, Ends>,
): Promise<void> => {
  const { rows } = await db.query<{
    envelope_id: string;
    verdict: string;
    motivo_falha: string | null;
    messages: number;
    decided: number;
    parties: number;
    asked: number;
  }>(
    `SELECT e.envelope_id, CASE WHEN e.coro_completo THEN 'quorum' ELSE 'no_quorum' END AS verdict, e.motivo_falha,
       (SELECT count(DISTINCT mensagem_id)::int FROM mensagens m WHERE m.envelope_id = e.envelope_id) AS messages,
       (SELECT count(*)::int FROM eventos_envelope v
        WHERE v.envelope_id = e.envelope_id AND v.tipo_evento = 'decided') AS decided,
       (SELECT count(*)::int FROM partes p WHERE p.envelope_id = e.envelope_id) AS parties,
       1 + jsonb_array_length(e.pedido->'guarantors') AS asked
     FROM envelopes e`,
  );
  expect(rows).toHaveLength(expected.size);
  for (const row of rows) {
    expect(row, row.envelope_id).toMatchObject({ messages: 1, decided: 1, parties: row.asked });
    const { verdict, motivo_falha: failureReason } = row;
    expect({ verdict, failureReason }, row.envelope_id).toEqual(expected.get(row.envelope_id));
  }
  const keys = sandbox.notifications().map(({ idempotencyKey }) => idempotencyKey);
  expect(new Set(keys).size, 'notifications sent').toBe(keys.length);
  const { rows: due } = await db.query<{ n: number }>(
    `SELECT count(DISTINCT (p.envelope_id, p.pessoa_id))::int AS n FROM participantes p JOIN envelopes e USING (envelope_id)
     WHERE e.status_envelope = 'concluido' AND p.habilitado AND (p.email IS NOT NULL OR p.telefone IS NOT NULL)`,
  );
  expect(keys.length, 'people notified').toBe(due[0]?.n);
};
