import type { Person, QuorumInput, Reservation, Rule, Validity } from './contract.ts';
import type { Instant } from './instant.ts';
import { compareInstants, formatInstant, parseInstant } from './instant.ts';

/**
 * An input with its ids resolved and its dates parsed, ready to be decided any number of times. A person is
 * known by the rank of the id among all ids in UTF-16 order, so that order by id is order by number.
 */
export type Prepared = {
  readonly input: QuorumInput;
  readonly at: Instant;
  /** Ids by rank. */
  readonly ids: readonly string[];
  readonly people: readonly PreparedPerson[];
  readonly groups: readonly PreparedGroup[];
  readonly rules: readonly PreparedRule[];
  /** `NOBODY` when there is none, or when the requester is not among the people. */
  readonly requester: number;
  readonly signed: readonly number[] | undefined;
  readonly limit: number;
  /** The next instant after `at` at which a date in the input begins or ends. */
  readonly stableUntil: string | null;
};

export type Span = { readonly from: Instant | undefined; readonly to: Instant | undefined };

export type PreparedPerson = {
  readonly rank: number;
  readonly person: Person;
  readonly reservations: readonly PreparedReservation[];
};

export type PreparedReservation = { readonly reservation: Reservation; readonly span: Span };

export type PreparedGroup = {
  readonly id: string;
  readonly members: readonly { readonly rank: number; readonly span: Span }[];
};

export type PreparedRule = {
  readonly rule: Rule;
  readonly span: Span;
  readonly alternatives: readonly PreparedAlternative[];
};

export type PreparedAlternative = {
  readonly id: string;
  readonly requires: readonly { readonly group: number; readonly min: number | 'all' | 'majority' }[];
  readonly distinct: boolean;
  readonly mandatory: readonly number[];
  /** Pairs one after the other: [a, b, a, b, …]. There can be very many. */
  readonly notTogether: ArrayLike<number>;
  readonly excludesRequester: boolean;
};

/** Resolves a parsed input. Throws when it did not pass `parseInput`: an id without its person or group. */
export const prepare = (input: QuorumInput): Prepared => {
  const at = instantOf(input.at);
  const dates = newDates(at);
  const ids = input.people.map((person) => person.id).sort();
  const rankById = new Map<string, number>();
  for (let rank = 0; rank < ids.length; rank++) rankById.set(ids[rank] ?? '', rank);
  const rankOf = (id: string): number => found(rankById.get(id), 'person', id);
  const groupById = new Map<string, number>();
  input.groups.forEach((group, index) => {
    groupById.set(group.id, index);
  });

  const people = input.people.map((person) => ({
    rank: rankOf(person.id),
    person,
    reservations: (person.reservations ?? []).map((reservation) => ({
      reservation,
      span: reservation.kind === 'validity' ? dates.span(reservation) : OPEN,
    })),
  }));
  const groups = input.groups.map((group) => ({
    id: group.id,
    members: group.members.map((member) => ({ rank: rankOf(member.person), span: dates.span(member) })),
  }));
  const rules = input.rules.map((rule) => ({
    rule,
    span: dates.span(rule),
    alternatives: (rule.alternatives ?? []).map((alternative) => ({
      id: alternative.id,
      requires: (alternative.requires ?? []).map(({ group, min }) => ({
        group: found(groupById.get(group), 'group', group),
        min,
      })),
      distinct: alternative.counting !== 'cumulative',
      mandatory: (alternative.mandatory ?? []).map(rankOf),
      notTogether: flatten(alternative.notTogether ?? [], rankOf),
      excludesRequester: alternative.excludesRequester ?? false,
    })),
  }));
  return {
    input,
    at,
    ids,
    people,
    groups,
    rules,
    requester: input.requester === undefined ? NOBODY : (rankById.get(input.requester) ?? NOBODY),
    signed: input.signed?.map(rankOf),
    limit: input.limit ?? 50,
    // Every date has been read by now.
    stableUntil: dates.next(),
  };
};

const flatten = (
  pairs: readonly (readonly string[])[],
  rankOf: (id: string) => number,
): ArrayLike<number> => {
  const ranks = new Uint16Array(2 * pairs.length);
  for (let i = 0; i < pairs.length; i++) {
    ranks[2 * i] = rankOf(pairs[i]?.[0] ?? '');
    ranks[2 * i + 1] = rankOf(pairs[i]?.[1] ?? '');
  }
  return ranks;
};

/** The rank of no person. */
export const NOBODY = -1;

/** Whether the instant is inside `[from, to)`. */
export const isInside = (span: Span, at: Instant): boolean =>
  (!span.from || compareInstants(at, span.from) >= 0) && (!span.to || compareInstants(at, span.to) < 0);

const OPEN: Span = { from: undefined, to: undefined };

const found = (index: number | undefined, noun: string, id: string): number => {
  if (index === undefined) throw new TypeError(`expected the id of a ${noun} of the input, found "${id}"`);
  return index;
};

const instantOf = (text: string): Instant => {
  const instant = parseInstant(text);
  if (!instant) throw new TypeError(`expected an RFC 3339 instant, found "${text}"`);
  return instant;
};

/** Parses the dates of an input and keeps the first one after `at`. */
const newDates = (at: Instant): { span: (validity: Validity) => Span; next: () => string | null } => {
  let next: Instant | undefined;
  const read = (text: string | null | undefined): Instant | undefined => {
    if (text === null || text === undefined) return undefined;
    const instant = instantOf(text);
    if (compareInstants(instant, at) > 0 && (!next || compareInstants(instant, next) < 0)) next = instant;
    return instant;
  };
  return {
    span: ({ from, to }) =>
      (from ?? to) === undefined || (from ?? to) === null ? OPEN : { from: read(from), to: read(to) },
    next: () => (next ? formatInstant(next) : null),
  };
};
