import type { Violation } from './contract.ts';
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
    if (pair.every((person) => typeof person === 'string' && references.people.has(person))) continue;
    checkPeople(pair, `${pointer}/notTogether/${i}`, references);
  }
  if (alternative.excludesRequester === true && !references.hasRequester) {
    references.violations.push({
      pointer: `${pointer}/excludesRequester`,
      message: 'expected a requester in the input for true, found none',
    });
  }
};

type Member = { from: unknown; to: unknown; index: number };

type Span = { from: Instant | undefined; to: Instant | undefined; index: number };

const checkMembers = (members: readonly unknown[], pointer: string, references: References): void => {
  const membersByPerson = new Map<string, Member[]>();
  members.forEach((member, index) => {
    const { person, from, to } = asRecord(member) ?? {};
    checkPerson(person, `${pointer}/${index}/person`, references);
    if (typeof person !== 'string') return;
    const others = membersByPerson.get(person);
    if (others) others.push({ from, to, index });
    else membersByPerson.set(person, [{ from, to, index }]);
  });
  for (const [person, own] of membersByPerson) {
    if (own.length < 2) continue;
    for (const index of overlapping(own.map(toSpan))) {
      references.violations.push({
        pointer: `${pointer}/${index}`,
        message: `expected memberships of one person that do not overlap, found another of ${show(person)} at the same time`,
      });
    }
  }
};

const toSpan = ({ from, to, index }: Member): Span => ({ from: bound(from), to: bound(to), index });

const bound = (value: unknown): Instant | undefined =>
  typeof value === 'string' ? parseInstant(value) : undefined;

/** The positions, in the list, of spans that overlap one that begins no later than they do. */
const overlapping = (spans: readonly Span[]): number[] => {
  const byStart = [...spans].sort((a, b) => {
    if (!a.from || !b.from) return (a.from ? 1 : 0) - (b.from ? 1 : 0) || a.index - b.index;
    return compareInstants(a.from, b.from) || a.index - b.index;
  });
  const found: number[] = [];
  let open: Span | undefined;
  for (const span of byStart) {
    if (open && (!open.to || !span.from || compareInstants(span.from, open.to) < 0)) found.push(span.index);
    if (!open || (open.to && (!span.to || compareInstants(span.to, open.to) > 0))) open = span;
  }
  return found.sort((a, b) => a - b);
};
