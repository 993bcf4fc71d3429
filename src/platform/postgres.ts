import pg from 'pg';

/** Anything that runs a statement: a pool, a client, or the client of an open transaction. */
export type Db = {
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    text: string,
    values?: unknown[],
  ): Promise<pg.QueryResult<Row>>;
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    statement: PreparedStatement,
  ): Promise<pg.QueryResult<Row>>;
};

export type PreparedStatement = { name: string; text: string; values: unknown[] };

/**
 * A statement that each connection parses and plans once. For statements that run for every order: planning
 * the larger ones took longer than running them.
 */
export const prepared =
  (name: string, text: string) =>
  (values: unknown[]): PreparedStatement => ({ name, text, values });

/**
 * A query over some areas, as the union of a query over each; null: over all. An index has the rows of one area in
 * order. For several at once PostgreSQL would go through the rows of all areas, and come to those of a quiet one
 * last. The areas are the statement's parameters from `first` on.
 */
export const byArea = (
  areas: readonly string[] | null,
  first: number,
  query: (condition: string) => string,
): string => {
  if (areas === null) return query('true');
  if (areas.length === 0) return query('false');
  return areas.map((_, index) => `(${query(`area_id = $${first + index}`)})`).join(' UNION ALL ');
};

/** A transaction's client. The brand keeps a pool from being passed where atomicity is needed. */
export type Tx = Db & { readonly inTransaction: true };

export type PoolOptions = { url: string; max?: number; name?: string };

/** Opens a pool. An idle client's error (a restarted server) is swallowed: the next query gets a new client. */
export const openPool = ({ url, max = 10, name = 'lastro' }: PoolOptions): pg.Pool => {
  const pool = new pg.Pool({ connectionString: url, max, application_name: name });
  pool.on('error', () => {});
  return pool;
};

/**
 * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects.
 * A client whose rollback fails is destroyed, never returned to the pool with a transaction open.
 */
export const transaction = async <T>(pool: pg.Pool, work: (tx: Tx) => Promise<T>): Promise<T> => {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that is lost between two statements is an event, and one that nobody hears ends the process.
  const lost = (error: Error): void => {
    broken = error;
  };
  client.on('error', lost);
  try {
    await client.query('BEGIN');
    const result = await work(client as unknown as Tx);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((cause: unknown) => {
      broken = cause instanceof Error ? cause : new Error(String(cause));
    });
    throw error;
  } finally {
    client.off('error', lost);
    client.release(broken);
  }
};
