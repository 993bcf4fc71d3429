import { openHttp } from '../platform/http.ts';
import { canWork, type Parts } from './parts.ts';

/** Health and metrics of a worker process, on `LASTRO_HOST:LASTRO_WORKER_PORT`, guarded as the API's are. */
export const serveWorkerHealth = async (
  parts: Pick<Parts, 'config' | 'db' | 'metrics' | 'log' | 'authenticate'>,
): Promise<{ port: number; close: () => Promise<void> }> => {
  const { config, metrics, log, authenticate } = parts;
  const app = await openHttp({
    ...{ log, metrics, authenticate },
    rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
    addressLimitPerMinute: config.RATE_LIMIT_ADDRESS_PER_MINUTE,
    trustedProxies: config.LASTRO_TRUSTED_PROXIES,
    redisUrl: config.REDIS_URL,
    ready: () => canWork(parts),
  });
  const url = await app.listen({ host: config.LASTRO_HOST, port: config.LASTRO_WORKER_PORT });
  return { port: Number(new URL(url).port), close: () => app.close() };
};
