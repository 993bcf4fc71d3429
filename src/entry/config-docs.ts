import { z } from 'zod';
import { settings } from '../platform/config.ts';

type Setting = { about: string; schema: z.ZodType; secret?: boolean };

const list: [string, Setting][] = Object.entries(settings);

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** What a setting accepts, in words, from its schema. */
export const acceptedValues = (schema: z.ZodType): string => {
  const describe = (io: 'input' | 'output') => z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  const { type, minimum, maximum } = describe('output');
  if (type === 'integer') {
    const upTo = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? 'or more' : `to ${maximum}`;
    return `integer, ${minimum ?? 0} ${upTo}`;
  }
  const choices = describe('input').enum?.filter((choice) => choice !== '');
  if (choices) return choices.map((choice) => `\`${choice}\``).join(', ');
  const refusal = schema.safeParse('?').error?.issues[0]?.message ?? '';
  return refusal.startsWith('expected ') ? refusal.slice('expected '.length) : 'text';
};

const defaultOf = (schema: z.ZodType): string => {
  const { success, data } = schema.safeParse(undefined);
  return success && data !== undefined ? `\`${String(data)}\`` : '–';
};

/** The text of `docs/configuration.md`, from the list of settings. */
export const configurationDocs = (): string => {
  const rows = list.map(([name, { about, schema, secret }]) => {
    const values = acceptedValues(schema) + (secret ? ' (secret)' : '');
    return `| \`${name}\` | ${cell(about)} | ${cell(values)} | ${cell(defaultOf(schema))} |`;
  });
  return `# Configuration

Lastro is configured by environment variables alone. They are parsed once, at the start of a process; one that
is wrong ends it with a message that names the variable, what was expected and what was found. An empty
variable counts as absent. \`npx lastro config\` shows what is in effect (secrets hidden), \`npx lastro doctor\`
tries it.

This page is generated: \`npx lastro config docs > docs/configuration.md\`.

| variable | what it is for | values | default |
|---|---|---|---|
${rows.join('\n')}
`;
};

const withoutPassword = (text: string): string => text.replace(/(:\/\/[^:@/]*):[^@/]*@/, '$1:***@');

export type EffectiveSetting = {
  name: string;
  value: string | null;
  source: 'environment' | 'default' | 'unset';
};

/**
 * What is in effect, for people to see: a secret's value is never part of it.
 * `config` is the parsed environment, `env` the raw one (it tells where a value came from).
 */
export const effectiveSettings = (
  config: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): EffectiveSetting[] =>
  list.map(([name, { secret }]) => {
    const value = config[name];
    if (value === undefined) return { name, value: null, source: 'unset' };
    return {
      name,
      value: secret ? '(hidden)' : withoutPassword(String(value)),
      source: env[name] ? 'environment' : 'default',
    };
  });
