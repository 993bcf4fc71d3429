import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { homeSecret } from '../home-secret.ts';
import type { LinkKeys } from './links.ts';

/**
 * What signs links to the objects of a directory store (`LINK_SECRET`, else made once in LASTRO_HOME), and where they
 * lead: to `PUBLIC_URL`, or relative to the API that gives them out.
 */
export const openConfiguredLinks = async (
  config: Pick<Config, 'LINK_SECRET' | 'LASTRO_HOME' | 'PUBLIC_URL'>,
): Promise<LinkKeys & { readonly baseUrl: string }> => ({
  secret: Buffer.from(
    config.LINK_SECRET ??
      (await homeSecret(join(config.LASTRO_HOME, 'link-secret'), () => randomBytes(32).toString('hex'))),
    'hex',
  ),
  clock: () => new Date(),
  baseUrl: config.PUBLIC_URL ?? '',
});
