import type { Violation } from './contract.ts';
import { isDocumentNumber } from './document-number.ts';
import { show } from './input-values.ts';
import { compareInstants, parseInstant } from './instant.ts';
import { escapePointer } from './json-text.ts';

type Check = (value: unknown, pointer: string, violations: Violation[]) => void;
type Member = { check: Check; required: boolean };
type Members = Readonly<Record<string, Member>>;
type Fields = Readonly<Record<string, unknown>>;

/** Checks each member of the input on its own; what one member says of another is `checkReferences`. */
export const checkShape = (value: unknown, violations: Violation[]): void =>
  checkInput(value, '', violations);

/** The value as a record, or undefined when it is none. */
export const asRecord = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;

/** The value as a list; anything else is an empty one, which the shape check has already reported. */
export const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const refuse = (violations: Violation[], pointer: string, expected: string, found: unknown): void => {
  violations.push({ pointer, message: `expected ${expected}, found ${show(found)}` });
};

const required = (check: Check): Member => ({ check, required: true });
const optional = (check: Check): Member => ({ check, required: false });

const record =
  (members: Members, extra?: Check): Check =>
  (value, pointer, violations) => {
    const fields = asRecord(value);
    if (!fields) return refuse(violations, pointer, 'an object', value);
    for (const key of Object.keys(fields)) {
      const member = Object.hasOwn(members, key) ? members[key] : undefined;
      if (member) member.check(fields[key], `${pointer}/${key}`, violations);
      else refuseKey(violations, pointer, key, members);
    }
    for (const key in members) {
      if (members[key]?.required && !Object.hasOwn(fields, key)) {
        violations.push({ pointer: `${pointer}/${key}`, message: `expected ${key}, found nothing` });
      }
    }
    extra?.(fields, pointer, violations);
  };

const refuseKey = (violations: Violation[], pointer: string, key: string, members: Members): void => {
  const known = Object.keys(members).join(', ');
  violations.push({
    pointer: `${pointer}/${escapePointer(key)}`,
    message: `expected no keys but ${known}, found ${show(key)}`,
  });
};

const list =
  (check: Check, atMost = Number.POSITIVE_INFINITY): Check =>
  (value, pointer, violations) => {
    if (!Array.isArray(value)) return refuse(violations, pointer, 'an array', value);
    if (value.length > atMost) refuse(violations, pointer, `at most ${atMost} items`, value);
    for (let i = 0; i < value.length; i++) check(value[i], `${pointer}/${i}`, violations);
  };

const text: Check = (value, pointer, violations) => {
  if (typeof value !== 'string') refuse(violations, pointer, 'a string', value);
};

const id: Check = (value, pointer, violations) => {
  if (typeof value !== 'string') refuse(violations, pointer, 'an id (a string)', value);
  else if (isDocumentNumber(value)) {
    // The number itself must not travel on in the answer.
    violations.push({ pointer, message: 'expected an opaque id, found a CPF or a CNPJ' });
  }
};

const flag: Check = (value, pointer, violations) => {
  if (typeof value !== 'boolean') refuse(violations, pointer, 'true or false', value);
};

const integer =
  (from: number, to = Number.MAX_SAFE_INTEGER): Check =>
  (value, pointer, violations) => {
    if (Number.isSafeInteger(value) && Number(value) >= from && Number(value) <= to) return;
    // Numbers beyond 2^53 - 1 have been reported for the whole input already.
    if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) return;
    const range = to === Number.MAX_SAFE_INTEGER ? `>= ${from}` : `from ${from} to ${to}`;
    refuse(violations, pointer, `an integer ${range}`, value);
  };

const oneOf =
  (...words: string[]): Check =>
  (value, pointer, violations) => {
    if (typeof value === 'string' && words.includes(value)) return;
    refuse(violations, pointer, words.map((word) => `"${word}"`).join(' or '), value);
  };

const orNull =
  (check: Check): Check =>
  (value, pointer, violations) => {
    if (value !== null) check(value, pointer, violations);
  };

const instant: Check = (value, pointer, violations) => {
  if (typeof value === 'string' && parseInstant(value)) return;
  const leap = typeof value === 'string' && /:60(?:[.Zz+-]|$)/.test(value) ? ' (no leap seconds)' : '';
  refuse(violations, pointer, `an RFC 3339 instant like 2026-11-22T12:00:00-03:00${leap}`, value);
};

const validity = { from: optional(orNull(instant)), to: optional(orNull(instant)) };

const checkOrder: Check = (value, pointer, violations) => {
  const { from, to } = asRecord(value) ?? {};
  if (typeof from !== 'string' || typeof to !== 'string') return;
  const start = parseInstant(from);
  const end = parseInstant(to);
  if (start && end && compareInstants(start, end) >= 0) {
    violations.push({
      pointer: `${pointer}/to`,
      message: `expected an instant after from (${show(from)}), found ${show(to)}`,
    });
  }
};

const checkBand: Check = record(
  { minCents: optional(orNull(integer(0))), maxCents: optional(orNull(integer(0))) },
  (value, pointer, violations) => {
    const { minCents, maxCents } = asRecord(value) ?? {};
    if (typeof minCents === 'number' && typeof maxCents === 'number' && minCents >= maxCents) {
      violations.push({
        pointer,
        message: `expected minCents < maxCents, found ${minCents} and ${maxCents}`,
      });
    }
  },
);

const checkMin: Check = (value, pointer, violations) => {
  if (value === 'all' || value === 'majority') return;
  if (typeof value === 'number') integer(1)(value, pointer, violations);
  else refuse(violations, pointer, 'an integer >= 1, "all" or "majority"', value);
};

const checkPair: Check = (value, pointer, violations) => {
  if (!Array.isArray(value) || value.length !== 2) {
    return refuse(violations, pointer, 'a pair of two ids', value);
  }
  id(value[0], `${pointer}/0`, violations);
  id(value[1], `${pointer}/1`, violations);
  if (typeof value[0] === 'string' && value[0] === value[1]) {
    violations.push({ pointer, message: `expected two different people, found ${show(value[0])} twice` });
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
  (value, pointer, violations) => {
    const { requires = [], mandatory = [] } = asRecord(value) ?? {};
    if (Array.isArray(requires) && Array.isArray(mandatory) && requires.length + mandatory.length === 0) {
      violations.push({ pointer, message: 'expected requires or mandatory, found neither' });
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
  (value, pointer, violations) => {
    checkOrder(value, pointer, violations);
    const { effect, coverage, alternatives } = asRecord(value) ?? {};
    if (asList(alternatives).length === 0) return;
    if (effect === 'forbid' || coverage === 'unknown') {
      const kind = effect === 'forbid' ? 'a rule that forbids' : 'a rule with coverage "unknown"';
      refuse(violations, `${pointer}/alternatives`, `no alternatives on ${kind}`, alternatives);
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

const checkReservation: Check = (value, pointer, violations) => {
  const fields = asRecord(value);
  if (!fields) return refuse(violations, pointer, 'an object', value);
  const { kind } = fields;
  const check =
    typeof kind === 'string' && Object.hasOwn(reservations, kind) ? reservations[kind] : undefined;
  if (check) check(value, pointer, violations);
  else oneOf(...Object.keys(reservations))(kind, `${pointer}/kind`, violations);
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
  context: optional((value, pointer, violations) => {
    if (!asRecord(value)) refuse(violations, pointer, 'an object', value);
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
