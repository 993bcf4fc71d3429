import { orderRoutes } from '../orders/http.ts';
import { openHttp } from '../platform/http.ts';
import { objectRoutes } from '../platform/http-objects.ts';
import { type PortalSettings, portalRoutes } from '../platform/http-portal.ts';
import { loadSigningKeys, publicJwks, signingKeysFile } from '../platform/signing-keys.ts';
import { quorumRoutes } from '../quorum/http.ts';
import { reportRoutes } from '../reports/http.ts';
import { canWork, needed, type Parts, rateLimits } from './parts.ts';
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
    limits: rateLimits(config),
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
    await (await portalRoutes(portalSettings(parts), { connect: config.PORTAL_CONNECT ?? [] }))(app);
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

const portalSettings = ({ config }: Parts): PortalSettings => ({
  issuer: needed(config, 'OIDC_ISSUER', 'the issuer at which people sign in'),
  clientId: config.PORTAL_CLIENT_ID,
  scope: config.PORTAL_SCOPE,
  archiveOlderThan: config.ARCHIVE_OLDER_THAN,
});
