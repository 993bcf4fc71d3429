import pg from 'pg';

export type ExplainedPool = { pool: pg.Pool; plans: () => string[]; close: () => Promise<void> };

/**
 * A pool whose sessions tell the plan of every statement that they run (`auto_explain`): what is looked at is
 * the product's own statement, with the values that it was run with, and not a copy of it.
 */
export const explainedPool = (url: string, settings: readonly string[] = []): ExplainedPool => {
  const plans: string[] = [];
  const pool = new pg.Pool({
    connectionString: url,
    max: 2,
    options: [
      '-c session_preload_libraries=auto_explain',
      '-c auto_explain.log_min_duration=0',
      '-c auto_explain.log_format=text',
      '-c client_min_messages=log',
      ...settings.map((setting) => `-c ${setting}`),
    ].join(' '),
  });
  pool.on('connect', (client) => {
    client.on('notice', ({ message }) => {
      if (message?.includes('plan:')) plans.push(message);
    });
  });
  return { pool, plans: () => plans.splice(0), close: () => pool.end() };
};
