import { orderRoutes } from '../orders/http.ts';
import { openHttp } from '../platform/http.ts';
import { loadSigningKeys, publicJwks, signingKeysFile } from '../platform/signing-keys.ts';
import { quorumRoutes } from '../quorum/http.ts';
import { openParts, type ProcessDeps } from './parts.ts';
import { version } from './version.ts';

export type RunningApi = { url: string; close: () => Promise<void> };

/** Starts the API on `LASTRO_HOST:LASTRO_PORT`. `close` ends requests in hand, then what it opened. */
export const startApi = async (deps: ProcessDeps): Promise<RunningApi> => {
  const { config } = deps;
  const parts = await openParts(deps, { service: 'api', works: false });
  const app = await openHttp({
    log: parts.log,
    metrics: parts.metrics,
    authenticate: parts.authenticate,
    rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
    redisUrl: config.REDIS_URL,
    version,
    ready: async () => {
      await parts.db.query('SELECT 1 FROM envelopes LIMIT 0');
    },
  });
  const close = async (): Promise<void> => {
    await app.close();
    await parts.close();
  };
  try {
    await app.register(async (scope) => orderRoutes(parts.orders)(scope as typeof app));
    await app.register(async (scope) =>
      quorumRoutes({ jwks: async () => publicJwks(await loadSigningKeys(signingKeysFile(config))) })(
        scope as typeof app,
      ),
    );
    const url = await app.listen({ host: config.LASTRO_HOST, port: config.LASTRO_PORT });
    parts.log.info({ url }, 'api listens');
    return { url, close };
  } catch (error) {
    await close();
    throw error;
  }
};
