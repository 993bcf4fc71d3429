import { createServer } from 'node:http';
import type { Parts } from './parts.ts';

/** Health and metrics of a worker process, without tokens: on loopback, or on a network of the operators' own. */
export const serveWorkerHealth = async ({
  config,
  db,
  metrics,
  log,
}: Pick<Parts, 'config' | 'db' | 'metrics' | 'log'>): Promise<{ close: () => Promise<void> }> => {
  const answers: Record<string, () => Promise<{ type: string; body: string }>> = {
    '/livez': async () => ({ type: 'application/json', body: '{"status":"ok"}' }),
    '/readyz': async () => {
      await db.query('SELECT 1 FROM envelopes LIMIT 0');
      return { type: 'application/json', body: '{"status":"ok"}' };
    },
    '/metrics': async () => ({ type: metrics.contentType, body: await metrics.metrics() }),
  };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const answer = Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (!answer) return void response.writeHead(404).end();
    answer().then(
      ({ type, body }) => response.writeHead(200, { 'content-type': type }).end(body),
      (error: unknown) => {
        log.warn({ err: error }, 'worker is not ready');
        response.writeHead(503).end();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.LASTRO_WORKER_PORT, config.LASTRO_HOST, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
