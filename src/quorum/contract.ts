/** The types of the quorum contract, version 1. Instants are RFC 3339 text; money is integer cents of BRL. */

export type Verdict = 'quorum' | 'no_quorum' | 'undetermined';

export type VerdictReason =
  | 'forbidden'
  | 'source_unavailable'
  | 'unread_restriction'
  | 'uncertain_people'
  | 'unread_rule'
  | 'no_rule'
  | 'not_enough_people'
  | 'too_complex';

export type Source = 'rules' | 'groups';

/** `[from, to)`; null or absent is open. */
export type Validity = { from?: string | null; to?: string | null };

export type Membership = Validity & { person: string };

export type Group = { id: string; members: Membership[] };

export type Requirement = { group: string; min: number | 'all' | 'majority' };

export type Alternative = {
  id: string;
  requires?: Requirement[];
  counting?: 'distinct' | 'cumulative';
  mandatory?: string[];
  notTogether?: [string, string][];
  excludesRequester?: boolean;
};

export type Rule = Validity & {
  id: string;
  version: number;
  effect?: 'permit' | 'forbid';
  coverage: 'complete' | 'unknown';
  power: string;
  channels?: string[];
  products?: string[];
  /** `[minCents, maxCents)`; null is open. */
  band?: { minCents?: number | null; maxCents?: number | null };
  alternatives?: Alternative[];
};

/** A reservation exists only for acts that match; an absent or empty list matches any act. */
type Scope = { powers?: string[]; channels?: string[]; products?: string[] };

export type Reservation = Scope &
  (
    | { kind: 'value_limit'; maxCents: number }
    | ({ kind: 'validity' } & Validity)
    | { kind: 'suspended' }
    | { kind: 'other'; text?: string }
  );

export type Operator = { active: boolean; accountAccess: boolean };

export type Person = {
  id: string;
  /** null: the registry did not answer. */
  operator?: Operator | null;
  reservations?: Reservation[];
};

export type QuorumInput = {
  at: string;
  act: { power: string; amountCents: number | null; channel: string; product?: string };
  context?: Record<string, unknown>;
  requester?: string;
  requiresChannelAccess: boolean;
  unavailable?: Source[];
  signed?: string[];
  groups: Group[];
  rules: Rule[];
  people: Person[];
  limit?: number;
};

export type PersonStatus = 'eligible' | 'uncertain' | 'blocked';

export type PersonReason =
  | { code: 'value_limit' | 'validity' | 'suspended' | 'other'; reservation: number }
  | { code: 'operator_inactive' | 'no_account_access' | 'operator_unknown' };

export type Cause = 'mandatory_unavailable' | 'not_together' | 'overlap' | 'empty_group' | 'above_group_size';

export type AlternativeResult = {
  rule: string;
  version: number;
  alternative: string;
  satisfied: boolean;
  missing: { group: string; have: number; need: number }[];
  causes: Cause[];
};

export type Repair =
  | { person: string; action: 'lift_reservation'; reservation: number }
  | { person: string; action: 'confirm_operator' | 'activate_operator' | 'grant_account_access' };

export type InexactField = 'coalitions' | 'indispensable' | 'toleratedAbsences' | 'signed' | 'nearest';

export type QuorumOutput = {
  verdict: Verdict;
  reasons: VerdictReason[];
  coalitions: { total: number; totalExact: boolean; minimal: string[][] };
  indispensable: string[];
  toleratedAbsences: number | null;
  signed?: { sufficient: boolean; completions: string[][] };
  people: { id: string; status: PersonStatus; reasons: PersonReason[] }[];
  alternatives: AlternativeResult[];
  nearest: { repairs: Repair[]; coalition: string[] }[];
  stableUntil: string | null;
  inputHash: string;
  inexact: InexactField[];
  engineVersion: string;
};

/** One thing wrong with an input: where (JSON pointer), what was expected and what was found. */
export type Violation = { pointer: string; message: string };
