import type { Body } from '../api/client.ts';
import type { AreaStandards } from '../api/openapi.ts';
import type { Violation } from '../api/problem.ts';
import { centsOf, plainDocument } from '../format.ts';

type PartyType = 'company' | 'person';

export type PartyState = { readonly id: number; readonly type: PartyType; readonly document: string };

export type RepresentativeState = {
  readonly id: number;
  /** Document of the company, as it is written in the form; empty: the requester. */
  readonly party: string;
  readonly document: string;
  readonly name: string;
  readonly email: string;
  readonly phone: string;
};

/** The form as it is filled in: texts as the person wrote them. */
export type NewOrderState = {
  readonly areaId: string;
  readonly platform: string;
  readonly signatureMethod: string;
  readonly power: string;
  readonly amount: string;
  readonly contractId: string;
  readonly requestedBy: string;
  readonly callbackUrl: string;
  readonly requester: PartyState;
  readonly guarantors: readonly PartyState[];
  readonly representatives: readonly RepresentativeState[];
  /** How many of a company's representatives sign, by its document: `1`, `2`, …, or `all`. */
  readonly signers: Readonly<Record<string, string>>;
};

export const emptyOrder = (areaId: string): NewOrderState => ({
  areaId,
  platform: '',
  signatureMethod: '',
  power: '',
  amount: '',
  contractId: '',
  requestedBy: '',
  callbackUrl: '',
  requester: { id: 0, type: 'company', document: '' },
  guarantors: [],
  representatives: [],
  signers: {},
});

/** An id for one more item of a list, by which the page tells items apart. */
export const nextId = (items: readonly { id: number }[]): number =>
  Math.max(0, ...items.map(({ id }) => id)) + 1;

/** The companies of the order, in its order, by their documents without punctuation. */
export const companiesOf = ({ requester, guarantors }: NewOrderState): string[] => [
  ...new Set(
    [requester, ...guarantors].flatMap(({ type, document }) => {
      const plain = plainDocument(document);
      return type === 'company' && plain !== '' ? [plain] : [];
    }),
  ),
];

/** Whether the order itself says who represents and who signs, because the area does not consult powers for the act. */
export const declaresSigning = (state: NewOrderState, standards: AreaStandards | undefined): boolean =>
  companiesOf(state).length > 0 &&
  standards?.powers.some(({ key, consultsPowers }) => key === state.power && !consultsPowers) === true;

type OrderBody = Body<'POST /v1/orders'>;

/**
 * The request that the form stands for. The API checks all of it and tells everything that is wrong at once; only
 * what can't be said in a request is told here: an amount that is none.
 */
export const orderBody = (
  state: NewOrderState,
  standards: AreaStandards | undefined,
): { body: OrderBody; violations: Violation[] } => {
  const cents = centsOf(state.amount);
  const unread = state.amount.trim() !== '' && cents === null;
  const text = (value: string): string | undefined => value.trim() || undefined;
  const contractId = text(state.contractId);
  const requestedBy = text(plainDocument(state.requestedBy));
  const callbackUrl = text(state.callbackUrl);
  const body: OrderBody = {
    areaId: state.areaId.trim(),
    platform: state.platform,
    signatureMethod: state.signatureMethod,
    power: state.power,
    amountCents: cents,
    requester: partyOf(state.requester),
    guarantors: state.guarantors.map(partyOf),
    ...(contractId ? { contractId } : {}),
    ...(requestedBy ? { requestedBy } : {}),
    ...(callbackUrl ? { callbackUrl } : {}),
    ...(declaresSigning(state, standards) ? declared(state) : {}),
  };
  return { body, violations: unread ? [{ pointer: '/amountCents', message: 'not an amount' }] : [] };
};

const partyOf = ({ type, document }: PartyState): OrderBody['requester'] => ({
  type,
  document: plainDocument(document),
});

/** Each company's representatives are one group, of which so many sign. */
const declared = (state: NewOrderState): Pick<OrderBody, 'representatives' | 'signing'> => {
  const companies = companiesOf(state);
  const companyOf = ({ party }: RepresentativeState): string => plainDocument(party) || (companies[0] ?? '');
  return {
    representatives: state.representatives.map((one) => ({
      document: plainDocument(one.document),
      name: one.name.trim(),
      party: companyOf(one),
      ...(one.email.trim() ? { email: one.email.trim() } : {}),
      ...(one.phone.trim() ? { phone: one.phone.replaceAll(/[\s()-]/g, '') } : {}),
    })),
    signing: companies.map((party) => ({
      party,
      groups: [
        {
          id: 'representantes',
          members: state.representatives
            .filter((one) => companyOf(one) === party)
            .map(({ document }) => ({ person: plainDocument(document) })),
        },
      ],
      rules: [
        {
          id: 'declarada',
          version: 1,
          coverage: 'complete',
          power: state.power,
          alternatives: [
            {
              id: 'declarada',
              requires: [{ group: 'representantes', min: signersOf(state.signers[party]) }],
            },
          ],
        },
      ],
    })),
  };
};

const signersOf = (text: string | undefined): number | 'all' =>
  text === 'all' ? 'all' : Number(text ?? '1');
