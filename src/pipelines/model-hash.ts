import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../shared/canonical-json.ts';
import type { Gold, Pipeline } from './declaration.ts';

/** A value as JSON that changes when its meaning does: functions by their text, zod types by their JSON Schema. */
const plain = (value: unknown): unknown => {
  if (typeof value === 'function') return `function ${value.toString()}`;
  if (value instanceof z.ZodType) return z.toJSONSchema(value, { unrepresentable: 'any' });
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, member]) => (member === undefined ? [] : [[key, plain(member)]])),
    );
  }
  return value;
};

const hash = (value: unknown): string =>
  createHash('sha256')
    .update(canonicalJson(plain(value)))
    .digest('hex')
    .slice(0, 24);

/**
 * The code hash of a pipeline's silver: what makes rows of answers. Where they come from, how often, budgets and
 * expectations have no part in it: changing them rebuilds nothing.
 */
export const silverHash = ({ silver, source, checks }: Pipeline): string => {
  const { budget: _budget, expects: _expects, partition: _partition, ...model } = silver;
  const quarantining = (checks ?? []).filter(({ onFail }) => onFail === 'quarantine');
  return hash({ model, records: source.records ?? null, quarantining });
};

export const goldHash = ({ sql, key, incremental }: Gold): string =>
  hash({ sql, key, incremental: incremental ?? null });

/** The id of a run: the same source, window, code and inputs give the same one. */
export const runIdOf = (facts: {
  pipeline: string;
  source: string;
  window: { from: string; to: string } | null;
  codeHash: string;
  inputHash: string;
}): string => `run_${createHash('sha256').update(canonicalJson(facts)).digest('hex').slice(0, 26)}`;
