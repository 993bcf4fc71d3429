import { readJsonText } from '../shared/json-text.ts';
import type { QuorumInput, Violation } from './contract.ts';
import { checkReferences } from './input-references.ts';
import { checkShape } from './input-shape.ts';
import { checkValues } from './input-values.ts';

export type ParsedInput = { ok: true; input: QuorumInput } | { ok: false; violations: Violation[] };

/**
 * Reads an input of the quorum contract from JSON text, or from a value that was parsed elsewhere (where
 * duplicate keys can no longer be seen). It is refused as a whole, with all violations, each with its JSON
 * pointer and what was expected and found. The input that comes back is the one that was received: no
 * default is filled in, so that its hash is the hash of what was sent.
 */
export const parseInput = (source: unknown): ParsedInput => {
  const violations: Violation[] = [];
  let value = source;
  if (typeof source === 'string') {
    const read = readJsonText(source);
    if (!read.readable) return { ok: false, violations: read.violations };
    value = read.value;
    violations.push(...read.violations);
  }
  if (!checkValues(value, violations)) return { ok: false, violations };
  checkShape(value, violations);
  checkReferences(value, violations);
  // The shape was just checked member by member, so the received value is a QuorumInput as it stands.
  return violations.length === 0 ? { ok: true, input: value as QuorumInput } : { ok: false, violations };
};
