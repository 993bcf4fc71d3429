import { orderRoutes } from '../../src/orders/http.ts';
import { openHttp } from '../../src/platform/http.ts';
import { silentLog } from '../../src/platform/log.ts';
import { openMetrics } from '../../src/platform/metrics.ts';
import { reportRoutes } from '../../src/reports/http.ts';
import { reportKinds } from '../../src/reports/reports.ts';
import type { Document } from './types-of.ts';

/** What the API says of itself at `/openapi.json`, for the routes that the portal uses; nothing is asked or started. */
export const openApiDocument = async (): Promise<Document> => {
  const app = await openHttp({
    log: silentLog(),
    metrics: openMetrics('openapi'),
    authenticate: async () => {
      throw new Error('expected no request');
    },
    limits: { client: 1_000, address: 1_000, refused: 1_000 },
    ready: async () => {},
    version: '0',
  });
  // Routes only hand their parts on to requests, of which there are none.
  await orderRoutes({} as Parameters<typeof orderRoutes>[0])(app);
  await reportRoutes({ kinds: reportKinds } as Parameters<typeof reportRoutes>[0])(app);
  await app.ready();
  const document = app.swagger() as Document;
  await app.close();
  return document;
};
