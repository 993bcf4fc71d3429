import type { Violation } from './contract.ts';
import type { Fields } from './input-shape.ts';
import { asList, asRecord } from './input-shape.ts';
import { show } from './input-values.ts';
import type { Instant } from './instant.ts';
import { compareInstants, parseInstant } from './instant.ts';

/**
 * Checks what one member of an input says of another: duplicate ids, groups and people that do not exist,
 * repeats, overlapping memberships, `excludesRequester` without a requester. Members of a wrong shape are
 * passed over: they have been reported, and the rest must still be.
 */
export const checkReferences = (value: unknown, violations: Violation[]): void => {
  const input = asRecord(value);
  if (!input) return;
  const people = collectIds(input.people, '/people', violations);
  const groups = collectIds(input.groups, '/groups', violations);
  collectIds(input.rules, '/rules', violations);
  const references = { people, groups, hasRequester: Object.hasOwn(input, 'requester'), violations };

  refuseRepeats(input.unavailable, '/unavailable', violations);
  refuseRepeats(input.signed, '/signed', violations);
  checkPeople(asList(input.signed), '/signed', references);
  asList(input.groups).forEach((group, i) => {
    checkMembers(asList(asRecord(group)?.members), `/groups/${i}/members`, references);
  });
  asList(input.rules).forEach((rule, i) => {
    const alternatives = asRecord(rule)?.alternatives;
    collectIds(alternatives, `/rules/${i}/alternatives`, violations);
    asList(alternatives).forEach((alternative, j) => {
      checkAlternative(alternative, `/rules/${i}/alternatives/${j}`, references);
    });
  });
};

type References = {
  people: ReadonlySet<string>;
  groups: ReadonlySet<string>;
  hasRequester: boolean;
  violations: Violation[];
};

const collectIds = (items: unknown, pointer: string, violations: Violation[]): Set<string> => {
  const ids = new Set<string>();
  asList(items).forEach((item, i) => {
    const id = asRecord(item)?.id;
    if (typeof id !== 'string') return;
    if (ids.has(id)) {
      violations.push({
        pointer: `${pointer}/${i}/id`,
        message: `expected a new id, found ${show(id)} again`,
      });
    }
    ids.add(id);
  });
  return ids;
};

const refuseRepeats = (items: unknown, pointer: string, violations: Violation[]): void => {
  const seen = new Set<unknown>();
  asList(items).forEach((item, i) => {
    if (seen.has(item)) {
      violations.push({
        pointer: `${pointer}/${i}`,
        message: `expected no repeats, found ${show(item)} again`,
      });
    }
    seen.add(item);
  });
};

const isKnown = (person: unknown, { people }: References): boolean =>
  typeof person === 'string' && people.has(person);

const checkPerson = (person: unknown, pointer: string, references: References): void => {
  if (typeof person !== 'string' || references.people.has(person)) return;
  references.violations.push({ pointer, message: `expected the id of one of people, found ${show(person)}` });
};

const checkPeople = (people: readonly unknown[], pointer: string, references: References): void => {
  people.forEach((person, i) => {
    checkPerson(person, `${pointer}/${i}`, references);
  });
};

const checkAlternative = (value: unknown, pointer: string, references: References): void => {
  const alternative = asRecord(value);
  if (!alternative) return;
  asList(alternative.requires).forEach((requirement, i) => {
    const group = asRecord(requirement)?.group;
    if (typeof group !== 'string' || references.groups.has(group)) return;
    references.violations.push({
      pointer: `${pointer}/requires/${i}/group`,
      message: `expected the id of one of groups, found ${show(group)}`,
    });
  });
  refuseRepeats(alternative.mandatory, `${pointer}/mandatory`, references.violations);
  checkPeople(asList(alternative.mandatory), `${pointer}/mandatory`, references);
  const pairs = asList(alternative.notTogether);
  for (let i = 0; i < pairs.length; i++) {
    const pair = asList(pairs[i]);
    // There can be very many pairs: pointers are made only for those that have somebody unknown.
    if (pair.length === 2 && isKnown(pair[0], references) && isKnown(pair[1], references)) continue;
    checkPeople(pair, `${pointer}/notTogether/${i}`, references);
  }
  if (alternative.excludesRequester === true && !references.hasRequester) {
    references.violations.push({
      pointer: `${pointer}/excludesRequester`,
      message: 'expected a requester in the input for true, found none',
    });
  }
};

const checkMembers = (members: readonly unknown[], pointer: string, references: References): void => {
  const spansByPerson = new Map<string, Span[]>();
  const firstByPerson = new Map<string, Fields>();
  members.forEach((member, index) => {
    const fields = asRecord(member) ?? {};
    const { person } = fields;
    if (typeof person !== 'string') return;
    if (!references.people.has(person)) checkPerson(person, `${pointer}/${index}/person`, references);
    const first = firstByPerson.get(person);
    // Nearly everyone is in a group once, and then no dates are looked at.
    if (!first) {
      firstByPerson.set(person, fields);
      return;
    }
    const span = toSpan(fields);
    const others = spansByPerson.get(person) ?? [toSpan(first)].filter((one) => one !== undefined);
    spansByPerson.set(person, others);
    if (!span || addSpan(others, span)) return;
    references.violations.push({
      pointer: `${pointer}/${index}`,
      message: `expected memberships of one person that do not overlap, found another of ${show(person)} at the same time`,
    });
  });
};

/** `[from, to)`, open where there is no date. */
type Span = { from: Instant | undefined; to: Instant | undefined };

/** Undefined for dates that cannot be read or whose order is wrong: those have been reported, and say nothing more. */
const toSpan = ({ from, to }: Fields): Span | undefined => {
  const span = { from: readBound(from), to: readBound(to) };
  if (span.from === null || span.to === null) return undefined;
  const isOrdered = !span.from || !span.to || compareInstants(span.from, span.to) < 0;
  return isOrdered ? { from: span.from, to: span.to } : undefined;
};

const readBound = (value: unknown): Instant | undefined | null => {
  if (value === undefined || value === null) return undefined;
  return (typeof value === 'string' ? parseInstant(value) : undefined) ?? null;
};

/**
 * Adds a span to those of earlier memberships, which lie apart and in order, and answers whether it overlaps none of
 * them. One that does is merged with those it meets: a later one must not overlap it either.
 */
const addSpan = (spans: Span[], span: Span): boolean => {
  let low = 0;
  for (let high = spans.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (isBefore(spans[middle], span)) low = middle + 1;
    else high = middle;
  }
  const first = low;
  const merged = { ...span };
  for (let met = spans[low]; met && !isBefore(span, met); met = spans[++low]) {
    if (!met.from || (merged.from && compareInstants(met.from, merged.from) < 0)) merged.from = met.from;
    if (!met.to || (merged.to && compareInstants(met.to, merged.to) > 0)) merged.to = met.to;
  }
  spans.splice(first, low - first, merged);
  return low === first;
};

const isBefore = (a: Span | undefined, b: Span): boolean =>
  a?.to !== undefined && b.from !== undefined && compareInstants(a.to, b.from) <= 0;
