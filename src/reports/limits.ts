import type { Tx } from '../platform/postgres.ts';
import { Problem } from '../platform/problem.ts';

/** What one client may ask for, and how long things live. */
export type ReportLimits = {
  /** Made at the same time; more wait in the queue. */
  readonly runningPerClient: number;
  /** Waiting and made at the same time; more are refused. */
  readonly openPerClient: number;
  /** Asked for in one day of São Paulo; reused files do not count. */
  readonly dailyPerClient: number;
  readonly keepHours: number;
  readonly linkSeconds: number;
  /** How old a finished file may be to answer the same request again; 0: never. */
  readonly reuseSeconds: number;
  readonly maxSeconds: number;
};

const zone = 'America/Sao_Paulo';

/**
 * Serialises a client's requests until the transaction ends, so that two at once can't both be the last that fits.
 */
export const lockClient = async (tx: Tx, clientId: string): Promise<void> => {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('relatorios ' || $1, 6))`, [clientId]);
};

/** @throws Problem `report-limit`, with which limit it is and when to try again */
export const checkLimits = async (
  tx: Tx,
  { openPerClient, dailyPerClient }: Pick<ReportLimits, 'openPerClient' | 'dailyPerClient'>,
  { clientId, now }: { clientId: string; now: Date },
): Promise<void> => {
  const { rows } = await tx.query<{ open: number; today: number; midnight: Date }>(
    `SELECT
       (SELECT count(*)::int FROM relatorios
        WHERE cliente_id = $1 AND status_relatorio IN ('na_fila', 'em_andamento')) AS open,
       (SELECT count(*)::int FROM relatorios
        WHERE cliente_id = $1 AND aproveitado_de IS NULL
          AND criado_em >= date_trunc('day', $2::timestamptz, '${zone}')) AS today,
       date_trunc('day', $2::timestamptz, '${zone}') + interval '1 day' AS midnight`,
    [clientId, now],
  );
  const { open = 0, today = 0, midnight = now } = rows[0] ?? {};
  if (today >= dailyPerClient)
    throw limitReached('daily', dailyPerClient, {
      text: `At most ${dailyPerClient} reports a day; the next day begins at ${midnight.toISOString()}.`,
      retryAfter: Math.max(1, Math.ceil((midnight.getTime() - now.getTime()) / 1_000)),
    });
  if (open >= openPerClient)
    throw limitReached('open', openPerClient, {
      text: `At most ${openPerClient} reports may wait or be made at once; wait for one of them or cancel it.`,
      retryAfter: 30,
    });
};

const limitReached = (
  name: 'daily' | 'open',
  most: number,
  { text, retryAfter }: { text: string; retryAfter: number },
): Problem =>
  new Problem('report-limit', text, {
    headers: { 'retry-after': String(retryAfter) },
    members: { limit: { name, most } },
  });
