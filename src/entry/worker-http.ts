import { openHttp } from '../platform/http.ts';
import { canWork, type Parts, rateLimits } from './parts.ts';
import { listenAt } from './ports.ts';

/** Health and metrics of a worker process, on `LASTRO_HOST:LASTRO_WORKER_PORT`, guarded as the API's are. */
export const serveWorkerHealth = async (
  parts: Pick<Parts, 'config' | 'db' | 'metrics' | 'log' | 'authenticate'>,
): Promise<{ port: number; close: () => Promise<void> }> => {
  const { config, metrics, log, authenticate } = parts;
  const app = await openHttp({
    ...{ log, metrics, authenticate },
    limits: rateLimits(config),
    trustedProxies: config.LASTRO_TRUSTED_PROXIES,
    redisUrl: config.REDIS_URL,
    ready: () => canWork(parts),
  });
  try {
    const url = await listenAt(app, {
      host: config.LASTRO_HOST,
      port: config.LASTRO_WORKER_PORT,
      what: "the worker's health and metrics",
      advice: 'LASTRO_WORKER_PORT to a free port, or to 0 for none',
    });
    return { port: Number(new URL(url).port), close: () => app.close() };
  } catch (error) {
    await app.close();
    throw error;
  }
};
