import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from './config.ts';
import { homeSecret } from './home-secret.ts';

/** The key of the opaque ids of people: `PERSON_ID_KEY`, else made once in LASTRO_HOME. */
export const loadPersonIdKey = async (
  config: Pick<Config, 'PERSON_ID_KEY' | 'LASTRO_HOME'>,
): Promise<Buffer> =>
  Buffer.from(
    config.PERSON_ID_KEY ??
      (await homeSecret(join(config.LASTRO_HOME, 'person-id-key'), () => randomBytes(32).toString('hex'))),
    'hex',
  );
