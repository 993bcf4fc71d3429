import type pg from 'pg';
import { eventually } from './desk.ts';

/**
 * Waits until every transaction is over that was open when this was called. Those of other databases on the same
 * server count as well, and the tests that run beside this one have theirs.
 */
export const transactionsOver = async (pool: pg.Pool): Promise<void> => {
  const { rows } = await pool.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
  await eventually('the end of transactions that were open', async () => {
    const { rows: found } = await pool.query<{ over: boolean }>(
      'SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8 AS over',
      [rows[0]?.xid],
    );
    return found[0]?.over || undefined;
  });
};
