import type { FieldViolation } from '../platform/problem.ts';
import { parseInput } from '../quorum/quorum.ts';
import { isCpf } from '../shared/cpf-cnpj.ts';
import type { PartialRequest } from './request.ts';

/**
 * What is wrong with the groups and rules that a request declares: read by the engine's own reader, as part of
 * the input that they will become, so that nothing is taken now which can't be decided later.
 */
export const checkDeclaredSigning = (request: PartialRequest): FieldViolation[] => {
  const { signing, representatives = [], requester, requestedBy } = request;
  if (!signing || !requester) return [];
  return signing.flatMap(({ party = requester.document, groups, rules }, index) => {
    const people = representatives
      .filter((representative) => (representative.party ?? requester.document) === party)
      .map(({ document }) => document);
    const withIds = withPlaceholders(people);
    const parsed = parseInput({
      at: '2026-01-01T00:00:00Z',
      act: { power: request.power ?? 'unknown', amountCents: null, channel: request.platform ?? 'unknown' },
      ...(requestedBy === undefined ? {} : { requester: withIds(requestedBy) }),
      requiresChannelAccess: false,
      groups: withIds(groups),
      rules: withIds(rules),
      people: people.map((document) => ({ id: withIds(document) })),
    });
    if (parsed.ok) return [];
    return parsed.violations
      .filter(({ pointer }) => pointer.startsWith('/groups') || pointer.startsWith('/rules'))
      .map(({ pointer, message }) => ({ pointer: `/signing/${index}${pointer}`, message }));
  });
};

/**
 * Puts an id in the place of every CPF, however deep: the engine refuses documents as ids, and the form of
 * groups and rules is not known to be right yet, so nothing but a walk over all of it will do.
 */
const withPlaceholders = (representatives: readonly string[]): ((value: unknown) => unknown) => {
  const place = (document: string): string => {
    const index = representatives.indexOf(document);
    return index < 0 ? 'somebody who is not declared' : `representative-${index}`;
  };
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return isCpf(value) ? place(value) : value;
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, walk(member)]));
  };
  return walk;
};
