import type { Group, Reservation, Rule, Source } from '../quorum/contract.ts';

/**
 * What the desk knows of its partners, in the desk's own terms: English names, integer cents of BRL, half-open
 * `[from, to)` instants. How a bank's real service says it (Portuguese names, inclusive terms, decimal text) is
 * known to one adapter file each, and to nothing else.
 */

export const partnerNames = [
  'parameters',
  'domains',
  'powers',
  'people',
  'registry',
  'notifications',
] as const;
export type PartnerName = (typeof partnerNames)[number];

/** A partner's answer with what is needed to keep it as evidence. */
export type Answer<T> = {
  readonly value: T;
  readonly partner: PartnerName;
  /** The body exactly as received: `sha256` is the lower-case hex hash of its UTF-8 bytes. */
  readonly raw: string;
  readonly sha256: string;
  /** RFC 3339, UTC: when the partner answered, also for an answer that comes from the cache. */
  readonly receivedAt: string;
  readonly fromCache: boolean;
};

export type Call = {
  /** Passed on as `X-Request-Id`. */
  readonly requestId: string;
  /** Ends the call early; its reason is thrown, not `PartnerUnavailable`. */
  readonly signal?: AbortSignal;
  /** Asks the partner even where the cache holds an answer. */
  readonly fresh?: boolean;
  /** An answer to this very question that was kept as evidence: it is read again, and nobody is asked. */
  readonly recorded?: RecordedAnswer;
};

/** What evidence keeps of an answer. */
export type RecordedAnswer = Pick<Answer<unknown>, 'raw' | 'sha256' | 'receivedAt'>;

export type PartyType = 'company' | 'person';

/** An area's standards and legal limits. */
export type AreaParameters = {
  areaId: string;
  sigla: string;
  name: string;
  costCentre: string;
  active: boolean;
  /** The `act.product` of the quorum contract; null where rules of any product apply. */
  product: string | null;
  platforms: string[];
  signatureMethods: string[];
  requesterTypes: PartyType[];
  /** The powers that the area may use; false: the request declares representatives and who signs. */
  powers: { power: string; consultsPowers: boolean }[];
  /** Both limits are inclusive; null is open. `required`: an order without value is refused. */
  amount: { required: boolean; minCents: number | null; maxCents: number | null };
  guarantors: { min: number; max: number };
  /** Most representatives that one request may declare. */
  maxRepresentatives: number;
  /** Oldest powers or registry answer that may be used again; 0: always asked anew. */
  evidenceMaxAgeSeconds: number;
  /** How long an order may stay undetermined before it fails with `undetermined`. */
  undeterminedLimitSeconds: number;
  draftRetentionDays: number;
  /** The legal term of the evidence of decided orders. */
  evidenceRetentionDays: number;
  callbackAllowed: boolean;
  notifyParticipants: boolean;
};

/** The valid keys, with their names. Only what is in force is listed. */
export type Domains = {
  /** `requiresRegistry`: signers need an active operator with access to an account (bankline). */
  platforms: { key: string; name: string; kind: string; requiresRegistry: boolean }[];
  signatureMethods: { key: string; name: string }[];
  powers: { key: string; name: string }[];
};

export type Representative = {
  /** CPF. */
  document: string;
  name: string;
  reservations: Reservation[];
};

/**
 * A company's powers for one act, in the quorum contract's form, except that **every person is named by CPF**
 * (memberships, `mandatory`, `notTogether`): `withPersonIds` puts opaque ids in their place before the engine,
 * whose contract forbids documents as ids. No representatives, groups and rules: the company has none registered.
 */
export type CompanyPowers = {
  company: string;
  power: string;
  representatives: Representative[];
  groups: Group[];
  rules: Rule[];
  /** Sources that the partner itself could not reach: for the engine's `unavailable`. */
  unavailable: Source[];
};

export type PersonContact = { document: string; name: string; email: string | null; phone: string | null };

export type RegistryAccount = {
  branch: string;
  account: string;
  /** Whether it is an open account of the company that was asked for. */
  ofCompany: boolean;
  access: 'transact' | 'read';
};

/** `accountAccess`: some open account of the company allows the person transactions; read-only does not count. */
export type RegistryOperator = {
  document: string;
  active: boolean;
  accountAccess: boolean;
  accounts: RegistryAccount[];
};

export type Notification = {
  /** The partner sends a message once for each key, however often it is asked. */
  idempotencyKey: string;
  orderKey: string;
  areaId: string;
  template: string;
  recipient: PersonContact;
};

export type BreakerState = 'closed' | 'half_open' | 'open';

/** The partners as the desk sees them. Every function throws `PartnerUnavailable` where no answer can be trusted. */
export type Partners = {
  /** null: the partner says that there is no such area. */
  parameters(areaId: string, call: Call): Promise<Answer<AreaParameters | null>>;
  domains(call: Call): Promise<Answer<Domains>>;
  /** `company` is a CNPJ (14 characters, upper case), `power` a key of the domain. */
  powers(input: { company: string; power: string }, call: Call): Promise<Answer<CompanyPowers>>;
  /** Contacts of those whom the partner knows, in any order; who is unknown is absent. */
  people(documents: readonly string[], call: Call): Promise<Answer<PersonContact[]>>;
  /** One operator for each document, in the order asked; one that the registry lacks is inactive, without access. */
  registry(
    input: { company: string; documents: readonly string[] },
    call: Call,
  ): Promise<Answer<RegistryOperator[]>>;
  notify(input: Notification, call: Call): Promise<Answer<{ id: string }>>;
};
