import type { FieldViolation } from '../platform/problem.ts';
import { parseInput } from '../quorum/input.ts';
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
      .map(({ document }) => ({ id: document }));
    const parsed = parseInput({
      at: '2026-01-01T00:00:00Z',
      act: { power: request.power ?? 'unknown', amountCents: null, channel: request.platform ?? 'unknown' },
      ...(requestedBy === undefined ? {} : { requester: requestedBy }),
      requiresChannelAccess: false,
      groups,
      rules,
      people,
    });
    if (parsed.ok) return [];
    return parsed.violations
      .filter(({ pointer }) => pointer.startsWith('/groups') || pointer.startsWith('/rules'))
      .map(({ pointer, message }) => ({ pointer: `/signing/${index}${pointer}`, message }));
  });
};
