import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { newEnforcer, newModelFromString } from 'casbin';
import { Engine } from 'json-rules-engine';
import { decide } from '../src/quorum/quorum.ts';
import { alternatives, bands, typicalCase } from './quorum-typical.ts';

/**
 * General rule engines, given the rules of the typical case and its facts. They cannot count different people
 * or name who may sign, so they get the number of eligible people of each group ready made, outside what is
 * measured, and answer yes or no: less work for less of an answer.
 */
export type Peer = { name: string; decide: () => boolean | Promise<boolean> };

const GROUPS = ['A', 'B', 'C'] as const;
const NO_MAXIMUM = Number.MAX_SAFE_INTEGER;

const facts = () => {
  const eligible = new Set(
    decide(typicalCase)
      .people.filter(({ status }) => status === 'eligible')
      .map(({ id }) => id),
  );
  const counts = GROUPS.map(
    (id) =>
      typicalCase.groups
        .find((group) => group.id === id)
        ?.members.filter(({ person }) => eligible.has(person)).length ?? 0,
  );
  const { power, channel, amountCents } = typicalCase.act;
  return { power, channel, amount: amountCents ?? 0, counts, hasP05: eligible.has('p05') };
};

/** Each alternative of each band, as the bounds that a peer compares. */
const policies = bands.flatMap(({ minCents, maxCents }) =>
  alternatives.map((alternative) => ({
    min: minCents,
    max: maxCents ?? NO_MAXIMUM,
    mins: GROUPS.map((id) =>
      'mins' in alternative && id in alternative.mins
        ? Number(Object.entries(alternative.mins).find(([group]) => group === id)?.[1])
        : 0,
    ),
    needsP05: 'mandatory' in alternative,
  })),
);

const casbin = async (): Promise<Peer> => {
  const model = newModelFromString(`
[request_definition]
r = power, channel, amount, a, b, c, p05
[policy_definition]
p = power, channel, min, max, a, b, c, p05
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.power == p.power && r.channel == p.channel && r.amount >= p.min && r.amount < p.max && r.a >= p.a && r.b >= p.b && r.c >= p.c && r.p05 >= p.p05
`);
  const enforcer = await newEnforcer(model);
  const { power, channel, amount, counts, hasP05 } = facts();
  for (const { min, max, mins, needsP05 } of policies) {
    const values = [min, max, ...mins, needsP05 ? 1 : 0].map(String);
    await enforcer.addPolicy(power, channel, ...values);
  }
  const [a, b, c] = counts;
  return {
    name: 'casbin',
    decide: () => enforcer.enforceSync(power, channel, amount, a, b, c, hasP05 ? 1 : 0),
  };
};

const jsonRulesEngine = async (): Promise<Peer> => {
  const engine = new Engine();
  const { power, channel, amount, counts, hasP05 } = facts();
  for (const { min, max, mins, needsP05 } of policies) {
    engine.addRule({
      conditions: {
        all: [
          { fact: 'power', operator: 'equal', value: power },
          { fact: 'channel', operator: 'equal', value: channel },
          { fact: 'amount', operator: 'greaterThanInclusive', value: min },
          { fact: 'amount', operator: 'lessThan', value: max },
          ...GROUPS.map((id, index) => ({
            fact: id,
            operator: 'greaterThanInclusive',
            value: mins[index] ?? 0,
          })),
          ...(needsP05 ? [{ fact: 'p05', operator: 'equal', value: true }] : []),
        ],
      },
      event: { type: 'quorum' },
    });
  }
  const [A, B, C] = counts;
  const given = { power, channel, amount, A, B, C, p05: hasP05 };
  return { name: 'json-rules-engine', decide: async () => (await engine.run(given)).events.length > 0 };
};

const cedar = async (): Promise<Peer> => {
  const { power, channel, amount, counts, hasP05 } = facts();
  const texts = policies.map(
    ({ min, max, mins, needsP05 }) =>
      `permit (principal, action == Action::"${power}", resource) when { context.channel == "${channel}" && ` +
      `context.amount >= ${min} && context.amount < ${max} && ` +
      `${GROUPS.map((id, index) => `context.${id} >= ${mins[index]}`).join(' && ')}${needsP05 ? ' && context.p05' : ''} };`,
  );
  const parsed = preparsePolicySet('quorum', { staticPolicies: texts.join('\n') });
  if (parsed.type === 'failure') throw new Error(JSON.stringify(parsed.errors));
  const [A = 0, B = 0, C = 0] = counts;
  const call = {
    principal: { type: 'Party', id: 'x' },
    action: { type: 'Action', id: power },
    resource: { type: 'Order', id: 'x' },
    context: { channel, amount, A, B, C, p05: hasP05 },
    preparsedPolicySetId: 'quorum',
    entities: [],
  };
  return {
    name: 'Cedar (WebAssembly)',
    decide: () => {
      const answer = statefulIsAuthorized(call);
      return answer.type === 'success' && answer.response.decision === 'allow';
    },
  };
};

export const openPeers = async (): Promise<Peer[]> => [
  await casbin(),
  await jsonRulesEngine(),
  await cedar(),
];
