import { z } from 'zod';
import { UserError } from '../platform/cli.ts';

const url = z.string().refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), {
  message: 'expected a URL with http:// or https://',
});

const settings = z.object({
  /** `host:port`, separated by commas. Absent: no feedback is stored or sent. */
  KAFKA_BROKERS: z
    .string()
    .regex(/^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$/, 'expected host:port, separated by commas')
    .transform((text) => text.split(','))
    .optional(),
  KAFKA_FEEDBACK_TOPIC: z
    .string()
    .regex(/^[\w.-]+$/)
    .default('lastro.consolidate'),
  KAFKA_DEAD_LETTER_TOPIC: z
    .string()
    .regex(/^[\w.-]+$/)
    .default('lastro.consolidate.dead'),
  /** Instance that gets an incident for a failed run. */
  SERVICENOW_URL: url.optional(),
  SERVICENOW_TOKEN: z.string().optional(),
});

/** Where consolidation tells of its runs. */
export type ConsolidateSettings = z.output<typeof settings>;

/**
 * Parses the settings of consolidation. An empty variable counts as absent.
 * @throws UserError naming what is wrong, never a secret's value
 */
export const parseConsolidateSettings = (env: NodeJS.ProcessEnv): ConsolidateSettings => {
  const given = Object.fromEntries(
    Object.keys(settings.shape).flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );
  const parsed = settings.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path, message }) => `  ${String(path[0])}: ${message}`);
    throw new UserError(`the settings of consolidation are not valid:\n${lines.join('\n')}`);
  }
  if (parsed.data.SERVICENOW_URL !== undefined && parsed.data.SERVICENOW_TOKEN === undefined) {
    throw new UserError('SERVICENOW_URL is set, expected SERVICENOW_TOKEN with it, found none');
  }
  return parsed.data;
};
