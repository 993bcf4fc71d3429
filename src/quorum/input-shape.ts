import { toldPointer } from '../shared/json-pointer.ts';
import type { Violation } from './contract.ts';
import { isDocumentNumber } from './document-number.ts';
import { show } from './input-values.ts';
import { compareInstants, parseInstant } from './instant.ts';

/** Where the check is, and what it has found. Pointers are made only for what is wrong. */
type Place = { readonly path: (string | number)[]; readonly violations: Violation[] };
type Check = (value: unknown, place: Place) => void;
type Member = { check: Check; required: boolean };
type Members = Readonly<Record<string, Member>>;
/** What a record of a received value may hold. */
export type Fields = Readonly<Record<string, unknown>>;

/** Checks each member of the input on its own; what one member says of another is `checkReferences`. */
export const checkShape = (value: unknown, violations: Violation[]): void =>
  checkInput(value, { path: [], violations });

/** The value as a record, or undefined when it is none. */
export const asRecord = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;

/** The value as a list; anything else is an empty one, which the shape check has already reported. */
export const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const refuse = (place: Place, expected: string, found: unknown): void =>
  add(place, `expected ${expected}, found ${show(found)}`);

const add = ({ path, violations }: Place, message: string): void => {
  violations.push({ pointer: toldPointer(path), message });
};

/** Checks a member or an item at its place. */
const checkAt = (place: Place, key: string | number, check: Check, value: unknown): void => {
  place.path.push(key);
  check(value, place);
  place.path.pop();
};

const required = (check: Check): Member => ({ check, required: true });
const optional = (check: Check): Member => ({ check, required: false });

const record =
  (members: Members, extra?: Check): Check =>
  (value, place) => {
    const fields = asRecord(value);
    if (!fields) return refuse(place, 'an object', value);
    for (const key of Object.keys(fields)) {
      const member = Object.hasOwn(members, key) ? members[key] : undefined;
      checkAt(place, key, member ? member.check : refuseKey(key, members), fields[key]);
    }
    for (const key in members) {
      if (!members[key]?.required || Object.hasOwn(fields, key)) continue;
      checkAt(place, key, (_, at) => add(at, `expected ${key}, found nothing`), undefined);
    }
    extra?.(fields, place);
  };

const refuseKey =
  (key: string, members: Members): Check =>
  (_, place) =>
    add(place, `expected no keys but ${Object.keys(members).join(', ')}, found ${show(key)}`);

const list =
  (check: Check, atMost = Number.POSITIVE_INFINITY): Check =>
  (value, place) => {
    if (!Array.isArray(value)) return refuse(place, 'an array', value);
    if (value.length > atMost) refuse(place, `at most ${atMost} items`, value);
    for (let i = 0; i < value.length; i++) checkAt(place, i, check, value[i]);
  };

const text: Check = (value, place) => {
  if (typeof value !== 'string') refuse(place, 'a string', value);
};

const id: Check = (value, place) => {
  if (typeof value !== 'string') refuse(place, 'an id (a string)', value);
  else if (isDocumentNumber(value)) {
    // The number itself must not travel on in the answer.
    add(place, 'expected an opaque id, found a CPF or a CNPJ');
  }
};

const flag: Check = (value, place) => {
  if (typeof value !== 'boolean') refuse(place, 'true or false', value);
};

const integer =
  (from: number, to = Number.MAX_SAFE_INTEGER): Check =>
  (value, place) => {
    if (Number.isSafeInteger(value) && Number(value) >= from && Number(value) <= to) return;
    // Numbers beyond 2^53 - 1 have been reported for the whole input already.
    if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) return;
    const range = to === Number.MAX_SAFE_INTEGER ? `>= ${from}` : `from ${from} to ${to}`;
    refuse(place, `an integer ${range}`, value);
  };

const oneOf =
  (...words: string[]): Check =>
  (value, place) => {
    if (typeof value === 'string' && words.includes(value)) return;
    refuse(place, words.map((word) => `"${word}"`).join(' or '), value);
  };

const orNull =
  (check: Check): Check =>
  (value, place) => {
    if (value !== null) check(value, place);
  };

const instant: Check = (value, place) => {
  if (typeof value === 'string' && parseInstant(value)) return;
  const leap = typeof value === 'string' && /:60(?:[.Zz+-]|$)/.test(value) ? ' (no leap seconds)' : '';
  refuse(place, `an RFC 3339 instant like 2026-11-22T12:00:00-03:00${leap}`, value);
};

const validity = { from: optional(orNull(instant)), to: optional(orNull(instant)) };

const checkOrder: Check = (value, place) => {
  const { from, to } = asRecord(value) ?? {};
  if (typeof from !== 'string' || typeof to !== 'string') return;
  const start = parseInstant(from);
  const end = parseInstant(to);
  if (start && end && compareInstants(start, end) >= 0) {
    checkAt(
      place,
      'to',
      (_, at) => add(at, `expected an instant after from (${show(from)}), found ${show(to)}`),
      to,
    );
  }
};

const isAmount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const checkBand: Check = record(
  { minCents: optional(orNull(integer(0))), maxCents: optional(orNull(integer(0))) },
  (value, place) => {
    const { minCents, maxCents } = asRecord(value) ?? {};
    // A number that is no amount at all has been reported, and has no order.
    if (isAmount(minCents) && isAmount(maxCents) && minCents >= maxCents) {
      add(place, `expected minCents < maxCents, found ${minCents} and ${maxCents}`);
    }
  },
);

const checkMin: Check = (value, place) => {
  if (value === 'all' || value === 'majority') return;
  if (typeof value === 'number') integer(1)(value, place);
  else refuse(place, 'an integer >= 1, "all" or "majority"', value);
};

const checkPair: Check = (value, place) => {
  if (!Array.isArray(value) || value.length !== 2) {
    return refuse(place, 'a pair of two ids', value);
  }
  checkAt(place, 0, id, value[0]);
  checkAt(place, 1, id, value[1]);
  if (typeof value[0] === 'string' && value[0] === value[1]) {
    add(place, `expected two different people, found ${show(value[0])} twice`);
  }
};

const checkAlternative = record(
  {
    id: required(id),
    requires: optional(list(record({ group: required(id), min: required(checkMin) }))),
    counting: optional(oneOf('distinct', 'cumulative')),
    mandatory: optional(list(id)),
    notTogether: optional(list(checkPair)),
    excludesRequester: optional(flag),
  },
  (value, place) => {
    const { requires = [], mandatory = [] } = asRecord(value) ?? {};
    if (Array.isArray(requires) && Array.isArray(mandatory) && requires.length + mandatory.length === 0) {
      add(place, 'expected requires or mandatory, found neither');
    }
  },
);

const checkRule = record(
  {
    id: required(id),
    version: required(integer(0)),
    effect: optional(oneOf('permit', 'forbid')),
    coverage: required(oneOf('complete', 'unknown')),
    power: required(text),
    channels: optional(list(text)),
    products: optional(list(text)),
    ...validity,
    band: optional(checkBand),
    alternatives: optional(list(checkAlternative)),
  },
  (value, place) => {
    checkOrder(value, place);
    const { effect, coverage, alternatives } = asRecord(value) ?? {};
    if (asList(alternatives).length === 0) return;
    if (effect === 'forbid' || coverage === 'unknown') {
      const kind = effect === 'forbid' ? 'a rule that forbids' : 'a rule with coverage "unknown"';
      checkAt(
        place,
        'alternatives',
        (found, at) => refuse(at, `no alternatives on ${kind}`, found),
        alternatives,
      );
    }
  },
);

const scope = {
  powers: optional(list(text)),
  channels: optional(list(text)),
  products: optional(list(text)),
};

const reservations: Readonly<Record<string, Check>> = {
  value_limit: record({ kind: required(text), maxCents: required(integer(0)), ...scope }),
  validity: record({ kind: required(text), ...validity, ...scope }, checkOrder),
  suspended: record({ kind: required(text), ...scope }),
  other: record({ kind: required(text), text: optional(text), ...scope }),
};

const checkReservation: Check = (value, place) => {
  const fields = asRecord(value);
  if (!fields) return refuse(place, 'an object', value);
  const { kind } = fields;
  const check =
    typeof kind === 'string' && Object.hasOwn(reservations, kind) ? reservations[kind] : undefined;
  if (check) check(value, place);
  else checkAt(place, 'kind', oneOf(...Object.keys(reservations)), kind);
};

const checkInput = record({
  at: required(instant),
  act: required(
    record({
      power: required(text),
      amountCents: required(orNull(integer(0))),
      channel: required(text),
      product: optional(text),
    }),
  ),
  context: optional((value, place) => {
    if (!asRecord(value)) refuse(place, 'an object', value);
  }),
  requester: optional(id),
  requiresChannelAccess: required(flag),
  unavailable: optional(list(oneOf('rules', 'groups'))),
  signed: optional(list(id)),
  groups: required(
    list(
      record({
        id: required(id),
        members: required(list(record({ person: required(id), ...validity }, checkOrder))),
      }),
      200,
    ),
  ),
  rules: required(list(checkRule, 200)),
  people: required(
    list(
      record({
        id: required(id),
        operator: optional(orNull(record({ active: required(flag), accountAccess: required(flag) }))),
        reservations: optional(list(checkReservation)),
      }),
      500,
    ),
  ),
  limit: optional(integer(1, 1000)),
});
