import { orderRoutes } from '../orders/http.ts';
import { openHttp } from '../platform/http.ts';
import { objectRoutes } from '../platform/http-objects.ts';
import { loadSigningKeys, publicJwks, signingKeysFile } from '../platform/signing-keys.ts';
import { quorumRoutes } from '../quorum/http.ts';
import { reportRoutes } from '../reports/http.ts';
import { canWork, type Parts } from './parts.ts';
import { listenAt } from './ports.ts';
import { version } from './version.ts';

export type RunningApi = { url: string; close: () => Promise<void> };

/** Starts the API on `LASTRO_HOST:LASTRO_PORT`. `close` ends the requests in hand; the parts stay open. */
export const startApi = async (parts: Parts): Promise<RunningApi> => {
  const { config } = parts;
  const app = await openHttp({
    log: parts.log,
    metrics: parts.metrics,
    authenticate: parts.authenticate,
    rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
    addressLimitPerMinute: config.RATE_LIMIT_ADDRESS_PER_MINUTE,
    trustedProxies: config.LASTRO_TRUSTED_PROXIES,
    redisUrl: config.REDIS_URL,
    version,
    ready: () => canWork(parts),
  });
  const jwks = async () => publicJwks(await loadSigningKeys(signingKeysFile(config)));
  try {
    await orderRoutes(parts.orders)(app);
    await reportRoutes(parts.reports)(app);
    const { store } = parts.store;
    if (store.url.startsWith('file://')) await objectRoutes({ store, keys: parts.links })(app);
    await quorumRoutes({ jwks })(app);
    const url = await listenAt(app, {
      host: config.LASTRO_HOST,
      port: config.LASTRO_PORT,
      what: 'the API',
      advice: 'LASTRO_PORT to a free port',
    });
    return { url, close: () => app.close() };
  } catch (error) {
    await app.close();
    throw error;
  }
};
