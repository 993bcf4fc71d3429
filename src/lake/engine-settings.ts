import { z } from 'zod';
import { UserError } from '../platform/cli.ts';

const settings = z.object({
  SQL_ENGINE: z.enum(['duckdb', 'trino', 'athena']).default('duckdb'),
  SQL_MEMORY: z
    .string()
    .regex(/^\d+(MB|GB)$/, 'expected a size such as 800MB')
    .default('800MB'),
  SQL_TEMPORARY: z
    .string()
    .regex(/^\d+(MB|GB)$/, 'expected a size such as 10GB')
    .default('10GB'),
  TRINO_URL: z.url().optional(),
  TRINO_USER: z.string().default('lastro'),
  TRINO_PASSWORD: z.string().optional(),
  TRINO_CATALOG: z.string().default('lake'),
  ATHENA_WORKGROUP: z.string().default('primary'),
  ATHENA_CATALOG: z.string().default('AwsDataCatalog'),
  ATHENA_OUTPUT: z.string().startsWith('s3://').optional(),
});

/** Which engine answers SQL, and how it is reached. */
export type EngineSettings = z.output<typeof settings>;

/**
 * Parses the settings of the SQL engines. An empty variable counts as absent.
 * @throws UserError naming what is wrong
 */
export const parseEngineSettings = (env: NodeJS.ProcessEnv): EngineSettings => {
  const given = Object.fromEntries(
    Object.keys(settings.shape).flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );
  const parsed = settings.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path, message }) => `  ${String(path[0])}: ${message}`);
    throw new UserError(`the settings of the SQL engine are not valid:\n${lines.join('\n')}`);
  }
  if (parsed.data.SQL_ENGINE === 'trino' && parsed.data.TRINO_URL === undefined) {
    throw new UserError('SQL_ENGINE=trino needs TRINO_URL, for example https://trino.example:8443');
  }
  return parsed.data;
};
