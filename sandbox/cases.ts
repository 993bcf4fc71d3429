import { demoCompanies } from './demo-companies.ts';
import { type DemoCompany, power } from './demo-company.ts';
import { cnpjOf, cpfOf } from './documents.ts';

export type SandboxRequest = Record<string, unknown>;

export type Expectation = { verdict: 'quorum' | 'no_quorum'; failureReason?: string } | { status: 422 };

export type SandboxCase = { name: string; request: SandboxRequest; expect: Expectation };

/** A case that stays `processing` until somebody settles it, or the area's time limit ends it. */
export type UndeterminedCase = {
  name: string;
  request: SandboxRequest;
  reason: 'needs_review' | 'waiting_partner';
};

type Party = { type: 'company' | 'person'; document: string };

const quorum: Expectation = { verdict: 'quorum' };
const refused = (failureReason: string): Expectation => ({ verdict: 'no_quorum', failureReason });
const invalid: Expectation = { status: 422 };

/** An amount that no demo company's band or limit minds, unless the case is about that. */
const usual = 12_500_000;

const requestOf = (requester: Party, change: SandboxRequest = {}): SandboxRequest => ({
  areaId: 'CRD01',
  platform: 'bankline',
  signatureMethod: 'digital',
  power,
  amountCents: usual,
  requester,
  ...change,
});

const openCases = () => {
  const demos = demoCompanies();
  const demo = (key: string): DemoCompany => {
    const found = demos.get(key);
    if (!found) throw new Error(`expected a demo company, found "${key}"`);
    return found;
  };
  const company = (key: string): Party => ({ type: 'company', document: demo(key).company.cnpj });
  const order = (key: string, change?: SandboxRequest): SandboxRequest => requestOf(company(key), change);
  return { demo, company, order };
};

type Cases = ReturnType<typeof openCases>;

const somebody: Party = { type: 'person', document: cpfOf(990_000_001) };

const quorumCases = ({ demo, company, order }: Cases): SandboxCase[] => [
  { name: 'joint signature, alphanumeric CNPJ', request: order('joint'), expect: quorum },
  { name: 'one representative signs alone', request: order('alone'), expect: quorum },
  { name: 'a person signs alone', request: requestOf(somebody), expect: quorum },
  {
    name: 'company and person as guarantors',
    request: order('joint', { guarantors: [company('alone'), somebody] }),
    expect: quorum,
  },
  { name: 'some are reserved, the others suffice', request: order('some_reserved'), expect: quorum },
  {
    name: 'value equal to a limit is inside it',
    request: order('value_limit', { amountCents: 10_000_000 }),
    expect: quorum,
  },
  { name: 'mandate in force', request: order('valid_mandate'), expect: quorum },
  { name: 'reserved for other acts only', request: order('reserved_for_other_acts'), expect: quorum },
  {
    name: 'platform that needs no operators',
    request: order('no_operators', { platform: 'mobile' }),
    expect: quorum,
  },
  {
    name: 'value at the end of a band belongs to it',
    request: order('bands', { amountCents: 20_000_000 }),
    expect: quorum,
  },
  {
    name: 'one person counts for each requirement',
    request: order('both_groups_cumulative'),
    expect: quorum,
  },
  { name: 'all of a group', request: order('all_of_group'), expect: quorum },
  { name: 'majority of the registered members', request: order('majority'), expect: quorum },
  {
    name: 'somebody else asks than who signs',
    request: order('not_the_requester', { requestedBy: demo('not_the_requester').cpf('aprova') }),
    expect: quorum,
  },
];

const reservationCases = ({ order }: Cases): SandboxCase[] => [
  {
    name: 'company without representatives',
    request: order('no_representatives'),
    expect: refused('no_representatives'),
  },
  {
    name: 'company that the powers service does not know',
    request: requestOf({ type: 'company', document: cnpjOf('799999990001') }),
    expect: refused('no_representatives'),
  },
  { name: 'everybody is reserved', request: order('all_reserved'), expect: refused('all_reserved') },
  {
    name: 'value one cent over the only limit',
    request: order('value_limit', { amountCents: 10_000_001 }),
    expect: refused('all_reserved'),
  },
  { name: 'mandate has expired', request: order('expired_mandate'), expect: refused('all_reserved') },
  { name: 'only representative is suspended', request: order('suspended'), expect: refused('all_reserved') },
];

const channelCases = ({ order }: Cases): SandboxCase[] => [
  { name: 'no operators', request: order('no_operators'), expect: refused('no_channel_access') },
  {
    name: 'operators with read-only access',
    request: order('read_only'),
    expect: refused('no_channel_access'),
  },
  {
    name: 'operators who are inactive',
    request: order('inactive_operators'),
    expect: refused('no_channel_access'),
  },
  { name: 'account is closed', request: order('closed_account'), expect: refused('no_channel_access') },
  {
    name: 'account belongs to another company',
    request: order('account_of_another_company'),
    expect: refused('no_channel_access'),
  },
  {
    name: 'company that the registry does not know',
    request: order('unknown_to_registry'),
    expect: refused('no_channel_access'),
  },
];

const groupingCases = ({ demo, company, order }: Cases): SandboxCase[] => [
  { name: 'second group is empty', request: order('second_group_empty'), expect: refused('no_grouping') },
  {
    name: 'second group has no channel access',
    request: order('second_group_without_access'),
    expect: refused('no_grouping'),
  },
  { name: 'membership has expired', request: order('expired_membership'), expect: refused('no_grouping') },
  {
    name: 'value one cent over a band needs two signatures',
    request: order('bands', { amountCents: 20_000_001 }),
    expect: refused('no_grouping'),
  },
  {
    name: 'one person cannot fill two places',
    request: order('both_groups'),
    expect: refused('no_grouping'),
  },
  { name: 'all of a group, one is suspended', request: order('all_but_one'), expect: refused('no_grouping') },
  { name: 'half of a group is no majority', request: order('half'), expect: refused('no_grouping') },
  {
    name: 'who asks may not be who signs',
    request: order('not_the_requester', { requestedBy: demo('not_the_requester').cpf('pede') }),
    expect: refused('no_grouping'),
  },
  { name: 'mandatory signer has no access', request: order('mandatory'), expect: refused('no_grouping') },
  { name: 'two who may not sign together', request: order('not_together'), expect: refused('no_grouping') },
  {
    name: 'guarantor lacks quorum',
    request: order('joint', { guarantors: [company('second_group_empty')] }),
    expect: refused('no_grouping'),
  },
  { name: 'a rule forbids the act', request: order('forbidden'), expect: refused('forbidden') },
  {
    name: 'value above every band',
    request: order('bands', { amountCents: 100_000_001 }),
    expect: refused('no_rule'),
  },
  { name: 'rules for other acts only', request: order('no_rule_for_act'), expect: refused('no_rule') },
];

const declaredBy = (minimum: number): SandboxRequest => {
  const [first, second] = [cpfOf(990_000_011), cpfOf(990_000_012)];
  return {
    power: 'sign_receipt_term',
    platform: 'web_portal',
    representatives: [
      {
        document: first,
        name: 'Débora Azevedo',
        email: 'debora.azevedo@declarada.example',
        phone: '+5511990000011',
      },
      { document: second, name: 'Carlos Pereira', email: 'carlos.pereira@declarada.example' },
    ],
    signing: [
      {
        groups: [{ id: 'A', members: [{ person: first }, { person: second }] }],
        rules: [
          {
            id: 'declared',
            version: 1,
            coverage: 'complete',
            power: 'sign_receipt_term',
            alternatives: [{ id: 'together', requires: [{ group: 'A', min: minimum }] }],
          },
        ],
      },
    ],
  };
};

const declaredCases = ({ order }: Cases): SandboxCase[] => [
  { name: 'declared representatives suffice', request: order('alone', declaredBy(2)), expect: quorum },
  {
    name: 'declared representatives do not suffice',
    request: order('alone', declaredBy(3)),
    expect: refused('no_grouping'),
  },
  {
    name: 'representatives not declared where powers are not consulted',
    request: order('alone', { power: 'sign_receipt_term', platform: 'web_portal' }),
    expect: invalid,
  },
  {
    name: 'representatives declared where powers are consulted',
    request: order('alone', { ...declaredBy(2), power }),
    expect: invalid,
  },
];

const invalidCases = ({ order }: Cases): SandboxCase[] => [
  {
    name: 'CNPJ with a wrong check digit',
    request: requestOf({ type: 'company', document: '12ABC34501DE36' }),
    expect: invalid,
  },
  {
    name: 'CPF with a wrong check digit',
    request: requestOf({ type: 'person', document: '52998224726' }),
    expect: invalid,
  },
  {
    name: 'guarantor with an invalid CPF',
    request: order('joint', { guarantors: [{ type: 'person', document: '11111111111' }] }),
    expect: invalid,
  },
  {
    name: 'several mistakes at once',
    request: order('joint', { platform: 'telex', amountCents: 99, power: 'sell_the_company' }),
    expect: invalid,
  },
  {
    name: 'value above the legal limit',
    request: order('joint', { amountCents: 5_000_000_001 }),
    expect: invalid,
  },
  {
    name: 'value below the least of the area',
    request: order('joint', { amountCents: 99 }),
    expect: invalid,
  },
  { name: 'value missing', request: order('joint', { amountCents: null }), expect: invalid },
  { name: 'platform that no domain knows', request: order('joint', { platform: 'telex' }), expect: invalid },
  {
    name: 'platform that the area does not use',
    request: order('joint', { platform: 'branch' }),
    expect: invalid,
  },
  {
    name: 'signature method that no domain knows',
    request: order('joint', { signatureMethod: 'fingerprint' }),
    expect: invalid,
  },
  {
    name: 'power that no domain knows',
    request: order('joint', { power: 'sell_the_company' }),
    expect: invalid,
  },
  {
    name: 'power that the area does not use',
    request: order('joint', { power: 'close_fx_contract' }),
    expect: invalid,
  },
  {
    name: 'more guarantors than the area allows',
    request: order('joint', {
      guarantors: Array.from({ length: 6 }, (_, index) => ({
        type: 'person',
        document: cpfOf(990_000_100 + index),
      })),
    }),
    expect: invalid,
  },
];

/** One ready request for every branch of an order's way, with what it must end as; all for area `CRD01`. */
export const sandboxCases = (): SandboxCase[] => {
  const cases = openCases();
  return [
    ...quorumCases(cases),
    ...reservationCases(cases),
    ...channelCases(cases),
    ...groupingCases(cases),
    ...declaredCases(cases),
    ...invalidCases(cases),
  ];
};

/** Requests that no rule can decide: they wait for a reviewer, or for a partner's better answer. */
export const undeterminedCases = (): UndeterminedCase[] => {
  const { order } = openCases();
  const review = (name: string, key: string): UndeterminedCase => ({
    name,
    request: order(key),
    reason: 'needs_review',
  });
  return [
    review('reservation in words', 'other_reservation'),
    review('reservation of a kind that is new', 'new_kind_of_reservation'),
    review('rule that could not be read', 'unread_rule'),
    review('restriction that could not be read', 'unread_restriction'),
    {
      name: 'powers service lacks its groups',
      request: order('groups_not_available'),
      reason: 'waiting_partner',
    },
    {
      name: 'powers answer contradicts itself',
      request: order('contradictory_answer'),
      reason: 'waiting_partner',
    },
  ];
};
