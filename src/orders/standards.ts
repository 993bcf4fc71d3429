import type { AreaParameters, Domains } from '../partners/partners.ts';
import type { FieldViolation } from '../platform/problem.ts';
import type { PartialRequest, Party } from './request.ts';

type Check = (
  request: PartialRequest,
  parameters: AreaParameters,
  domains: Domains,
) => (FieldViolation | false | undefined)[];

const reais = (cents: number): string =>
  new Intl.NumberFormat('pt-BR', { style: 'currency', currency: 'BRL' }).format(cents / 100);

const knownKeys: Check = ({ platform, signatureMethod, power }, parameters, domains) => [
  ...oneOf('/platform', platform, domains.platforms, parameters.platforms),
  ...oneOf('/signatureMethod', signatureMethod, domains.signatureMethods, parameters.signatureMethods),
  ...oneOf(
    '/power',
    power,
    domains.powers,
    parameters.powers.map((allowed) => allowed.power),
  ),
];

const oneOf = (
  pointer: string,
  value: string | undefined,
  domain: readonly { key: string }[],
  ofArea: readonly string[],
): FieldViolation[] => {
  if (value === undefined) return [];
  if (!domain.some((entry) => entry.key === value))
    return [{ pointer, message: `expected a key of the domain, found ${value}` }];
  if (!ofArea.includes(value))
    return [{ pointer, message: `expected one of the area's (${ofArea.join(', ')}), found ${value}` }];
  return [];
};

const amount: Check = ({ amountCents }, { amount: limits }) => {
  const pointer = '/amountCents';
  if (amountCents === undefined) return [];
  if (amountCents === null)
    return [limits.required && { pointer, message: 'expected a value: the area takes no order without one' }];
  return [
    limits.minCents !== null &&
      amountCents < limits.minCents && {
        pointer,
        message: `expected at least ${reais(limits.minCents)}, the area's limit, found ${reais(amountCents)}`,
      },
    limits.maxCents !== null &&
      amountCents > limits.maxCents && {
        pointer,
        message: `expected at most ${reais(limits.maxCents)}, the area's limit, found ${reais(amountCents)}`,
      },
  ];
};

const parties: Check = ({ requester, guarantors }, { requesterTypes, guarantors: limits }) => [
  requester &&
    !requesterTypes.includes(requester.type) && {
      pointer: '/requester/type',
      message: `expected one of the area's (${requesterTypes.join(', ')}), found ${requester.type}`,
    },
  guarantors &&
    (guarantors.length < limits.min || guarantors.length > limits.max) && {
      pointer: '/guarantors',
      message: `expected ${limits.min} to ${limits.max} guarantors, found ${guarantors.length}`,
    },
  ...repeatedParties(requester, guarantors ?? []),
];

const repeatedParties = (requester: Party | undefined, guarantors: readonly Party[]): FieldViolation[] => {
  const seen = new Set(requester ? [requester.document] : []);
  return guarantors.flatMap(({ document }, index) => {
    const repeated = seen.has(document);
    seen.add(document);
    return repeated
      ? [
          {
            pointer: `/guarantors/${index}/document`,
            message: 'expected a party that is not in the order yet',
          },
        ]
      : [];
  });
};

/** Where an area does not consult powers for the act, the request declares who represents and who signs. */
const declared: Check = (request, parameters) => {
  const { power, requester, guarantors, representatives, signing } = request;
  const rule = parameters.powers.find((allowed) => allowed.power === power);
  if (!rule || !requester) return [];
  if (rule.consultsPowers)
    return [
      representatives && {
        pointer: '/representatives',
        message: 'expected none: the area consults powers for this act',
      },
      signing && { pointer: '/signing', message: 'expected none: the area consults powers for this act' },
    ];
  const companies = [requester, ...(guarantors ?? [])].filter((party) => party.type === 'company');
  if (companies.length === 0) return [];
  return [
    !representatives && {
      pointer: '/representatives',
      message: 'expected the representatives: the area does not consult powers for this act',
    },
    !signing && {
      pointer: '/signing',
      message: 'expected groups and rules: the area does not consult powers for this act',
    },
    representatives &&
      representatives.length > parameters.maxRepresentatives && {
        pointer: '/representatives',
        message: `expected at most ${parameters.maxRepresentatives}, found ${representatives.length}`,
      },
    ...strangers(requester, companies, request),
  ];
};

const strangers = (
  requester: Party,
  companies: readonly Party[],
  { representatives = [], signing = [] }: PartialRequest,
): FieldViolation[] => {
  const known = new Set(companies.map(({ document }) => document));
  const told = new Set<string>();
  const signed = new Set<string>();
  return [
    ...representatives.flatMap(({ party = requester.document, document }, index) => {
      const violations: FieldViolation[] = [];
      if (!known.has(party))
        violations.push({
          pointer: `/representatives/${index}/party`,
          message: 'expected a company of this order',
        });
      if (told.has(`${party} ${document}`))
        violations.push({
          pointer: `/representatives/${index}/document`,
          message: 'expected each representative of a company once',
        });
      told.add(`${party} ${document}`);
      return violations;
    }),
    ...signing.flatMap(({ party = requester.document }, index) => {
      const repeated = signed.has(party);
      signed.add(party);
      return !known.has(party) || repeated
        ? [
            {
              pointer: `/signing/${index}${repeated ? '' : '/party'}`,
              message: 'expected one entry for a company of this order',
            },
          ]
        : [];
    }),
  ];
};

const callback: Check = ({ callbackUrl }, { callbackAllowed }) => [
  callbackUrl !== undefined &&
    !callbackAllowed && {
      pointer: '/callbackUrl',
      message: 'expected none: the area does not take callbacks',
    },
];

const checks: readonly Check[] = [knownKeys, amount, parties, declared, callback];

/** Every way in which the valid fields of a request break the area's standards and legal limits. */
export const checkStandards = (
  request: PartialRequest,
  parameters: AreaParameters | null,
  domains: Domains,
): FieldViolation[] => {
  if (parameters === null) return [{ pointer: '/areaId', message: 'expected an area of the bank' }];
  if (!parameters.active)
    return [{ pointer: '/areaId', message: 'expected an active area, found one that is closed' }];
  return checks.flatMap((check) => check(request, parameters, domains)).filter((found) => !!found);
};
