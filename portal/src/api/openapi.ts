// Written by `npm run api --workspace portal` from the OpenAPI document; not by hand.

export type OrderSummary = {
  orderKey: string;
  areaId: string;
  contractId: string | null;
  status: 'draft' | 'processing' | 'completed' | 'failed';
  verdict: 'quorum' | 'no_quorum' | 'undetermined' | null;
  failureReason:
    | 'no_representatives'
    | 'all_reserved'
    | 'no_channel_access'
    | 'no_grouping'
    | 'forbidden'
    | 'no_rule'
    | 'undetermined'
    | 'abandoned'
    | 'cancelada'
    | null;
  waiting: { reason: 'waiting_partner' | 'needs_review'; partner: string | null } | null;
  platform: string;
  signatureMethod: string;
  power: string;
  amountCents: number | null;
  requester: { type: 'company'; document: string } | { type: 'person'; document: string };
  guarantors: ({ type: 'company'; document: string } | { type: 'person'; document: string })[];
  createdAt: string;
  decideBy: string;
  decidedAt: string | null;
};

export type OrderPerson = {
  id: string;
  document: string;
  name: string | null;
  email: string | null;
  phone: string | null;
  status: 'eligible' | 'uncertain' | 'blocked';
  reasons: (
    | { code: 'value_limit' | 'validity' | 'suspended' | 'other'; reservation: number }
    | { code: 'operator_inactive' | 'no_account_access' | 'operator_unknown' }
  )[];
  reserved: boolean;
  enabled: boolean;
};

export type Doubt =
  | { kind: 'reservation'; person: string; reservation: number; text: string | null }
  | { kind: 'rule'; rule: string; version: number; effect: 'permit' | 'forbid'; groups: string[] };

export type QuorumOutput = {
  verdict: 'quorum' | 'no_quorum' | 'undetermined';
  reasons: (
    | 'forbidden'
    | 'source_unavailable'
    | 'unread_restriction'
    | 'uncertain_people'
    | 'unread_rule'
    | 'no_rule'
    | 'not_enough_people'
    | 'too_complex'
  )[];
  coalitions: { total: number; totalExact: boolean; minimal: string[][] };
  indispensable: string[];
  toleratedAbsences: number | null;
  signed?: { sufficient: boolean; completions: string[][] };
  people: {
    id: string;
    status: 'eligible' | 'uncertain' | 'blocked';
    reasons: (
      | { code: 'value_limit' | 'validity' | 'suspended' | 'other'; reservation: number }
      | { code: 'operator_inactive' | 'no_account_access' | 'operator_unknown' }
    )[];
  }[];
  alternatives: {
    rule: string;
    version: number;
    alternative: string;
    satisfied: boolean;
    missing: { group: string; have: number; need: number }[];
    causes: ('mandatory_unavailable' | 'not_together' | 'overlap' | 'empty_group' | 'above_group_size')[];
  }[];
  nearest: {
    repairs: (
      | { person: string; action: 'lift_reservation'; reservation: number }
      | { person: string; action: 'confirm_operator' | 'activate_operator' | 'grant_account_access' }
    )[];
    coalition: string[];
  }[];
  stableUntil: string | null;
  inputHash: string;
  inexact: ('coalitions' | 'indispensable' | 'toleratedAbsences' | 'signed' | 'nearest')[];
  engineVersion: string;
};

export type OrderParty = {
  role: 'requester' | 'guarantor';
  type: 'company' | 'person';
  document: string;
  verdict: 'quorum' | 'no_quorum' | 'undetermined';
  failureReason:
    | 'no_representatives'
    | 'all_reserved'
    | 'no_channel_access'
    | 'no_grouping'
    | 'forbidden'
    | 'no_rule'
    | 'undetermined'
    | 'abandoned'
    | 'cancelada'
    | null;
  people: OrderPerson[];
  doubts: Doubt[];
  decision: QuorumOutput;
  explanation: string;
  certificate: string | null;
};

export type Simulation = {
  verdict: 'quorum' | 'no_quorum' | 'undetermined' | null;
  failureReason:
    | 'no_representatives'
    | 'all_reserved'
    | 'no_channel_access'
    | 'no_grouping'
    | 'forbidden'
    | 'no_rule'
    | 'undetermined'
    | 'abandoned'
    | 'cancelada'
    | null;
  waiting: { reason: 'waiting_partner' | 'needs_review'; partner: string | null } | null;
  parties: OrderParty[];
};

export type Order = {
  orderKey: string;
  areaId: string;
  contractId: string | null;
  status: 'draft' | 'processing' | 'completed' | 'failed';
  verdict: 'quorum' | 'no_quorum' | 'undetermined' | null;
  failureReason:
    | 'no_representatives'
    | 'all_reserved'
    | 'no_channel_access'
    | 'no_grouping'
    | 'forbidden'
    | 'no_rule'
    | 'undetermined'
    | 'abandoned'
    | 'cancelada'
    | null;
  waiting: { reason: 'waiting_partner' | 'needs_review'; partner: string | null } | null;
  platform: string;
  signatureMethod: string;
  power: string;
  amountCents: number | null;
  requester: { type: 'company'; document: string } | { type: 'person'; document: string };
  guarantors: ({ type: 'company'; document: string } | { type: 'person'; document: string })[];
  createdAt: string;
  decideBy: string;
  decidedAt: string | null;
  metadata: Record<string, unknown>;
  certificate: string | null;
  parties: OrderParty[];
  evidence: { partner: string; receivedAt: string; sha256: string }[];
  timeline: { type: string; at: string; by: string; detail: Record<string, unknown> }[];
};

export type AreaStandards = {
  areaId: string;
  name: string;
  active: boolean;
  platforms: { key: string; name: string }[];
  signatureMethods: { key: string; name: string }[];
  powers: { key: string; name: string; consultsPowers: boolean }[];
  requesterTypes: ('company' | 'person')[];
  amount: { required: boolean; minCents: number | null; maxCents: number | null };
  guarantors: { min: number; max: number };
  maxRepresentatives: number;
  callbackAllowed: boolean;
};

export type Report = {
  reportId: string;
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled' | 'expired';
  purpose: string;
  request: {
    kind: string;
    parameters: Record<string, string>;
    from?: string;
    to?: string;
    status?: string;
    format: 'csv' | 'json' | 'ndjson' | 'parquet' | 'xlsx' | 'pdf';
    options: { separator?: ',' | ';'; bom?: boolean; json?: 'flat' | 'kept' };
  };
  unmasked: boolean;
  progress: { rows: number | null; expectedRows: number | null };
  failure: {
    reason: 'not_allowed' | 'too_large' | 'time_limit' | 'interrupted' | 'technical';
    message: string;
  } | null;
  rows: number | null;
  bytes: number | null;
  sha256: string | null;
  contentType: string | null;
  fileName: string | null;
  snapshotId: string | null;
  reusedFrom: string | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  expiresAt: string | null;
  downloads: number;
  unread: boolean;
  links: { self: string; download: string | null };
};

export type ReportKind = {
  name: string;
  title: string;
  about: string;
  audience: 'client' | 'area';
  includesCurrent: boolean;
  parameters: {
    name: 'areaId' | 'contractId' | 'clientId' | 'requesterId' | 'participantId' | 'orderId';
    required: boolean;
    about: string;
  }[];
  columns: { name: string; title: string; type: 'text' | 'integer' | 'timestamp' | 'list' | 'json' }[];
};

export type Operations = {
  'GET /v1/orders': {
    query: {
      areaId?: string;
      status?: 'draft' | 'processing' | 'completed' | 'failed';
      waiting?: 'waiting_partner' | 'needs_review';
      from?: string;
      to?: string;
      cursor?: string;
      limit?: number;
    };
    answer: { items: OrderSummary[]; next: string | null };
  };
  'POST /v1/orders': {
    body: {
      areaId: string;
      contractId?: string;
      platform: string;
      signatureMethod: string;
      power: string;
      amountCents?: number | null;
      requester: { type: 'company'; document: string } | { type: 'person'; document: string };
      requestedBy?: string;
      guarantors?: ({ type: 'company'; document: string } | { type: 'person'; document: string })[];
      representatives?: {
        document: string;
        name: string;
        email?: string | null;
        phone?: string | null;
        party?: string;
      }[];
      signing?: { party?: string; groups: Record<string, unknown>[]; rules: Record<string, unknown>[] }[];
      callbackUrl?: string;
      metadata?: Record<string, unknown>;
    };
    answer: OrderSummary;
  };
  'POST /v1/orders/simulate': {
    body: {
      areaId: string;
      contractId?: string;
      platform: string;
      signatureMethod: string;
      power: string;
      amountCents?: number | null;
      requester: { type: 'company'; document: string } | { type: 'person'; document: string };
      requestedBy?: string;
      guarantors?: ({ type: 'company'; document: string } | { type: 'person'; document: string })[];
      representatives?: {
        document: string;
        name: string;
        email?: string | null;
        phone?: string | null;
        party?: string;
      }[];
      signing?: { party?: string; groups: Record<string, unknown>[]; rules: Record<string, unknown>[] }[];
      callbackUrl?: string;
      metadata?: Record<string, unknown>;
    };
    answer: Simulation;
  };
  'GET /v1/orders/{orderKey}': { answer: Order };
  'POST /v1/orders/{orderKey}/cancel': { answer: Order };
  'POST /v1/orders/{orderKey}/review': {
    body: {
      reason: string;
      evidence: string;
      settlements: (
        | {
            kind: 'reservation';
            party: number;
            person: string;
            reservation: number;
            outcome: 'applies' | 'does_not_apply';
          }
        | {
            kind: 'rule';
            party: number;
            rule: string;
            outcome: 'applies' | 'does_not_apply';
            alternatives?: {
              id: string;
              requires?: { group: string; min: number | 'all' | 'majority' }[];
              counting?: 'distinct' | 'cumulative';
              mandatory?: string[];
              notTogether?: [string, string][];
              excludesRequester?: boolean;
            }[];
          }
      )[];
    };
    answer: Order;
  };
  'GET /v1/areas': { answer: { items: { areaId: string; name: string | null }[]; all: boolean } };
  'GET /v1/areas/{areaId}/standards': { answer: AreaStandards };
  'GET /v1/messages': { query: { after?: string; limit?: number }; answer: unknown };
  'GET /v1/reports': {
    query: {
      status?: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled' | 'expired';
      kind?: string;
      unread?: 'true' | 'false';
      cursor?: string;
      limit?: number;
    };
    answer: { items: Report[]; next: string | null; unread: number };
  };
  'POST /v1/reports': {
    query: { wait?: number };
    body: {
      kind:
        | 'client-orders'
        | 'area-orders'
        | 'contract-orders'
        | 'requester-orders'
        | 'participant-orders'
        | 'order-participants'
        | 'order-rules'
        | 'order-metadata'
        | 'order-notifications'
        | 'order-events'
        | 'participant-metadata'
        | 'participant-events';
      parameters?: {
        areaId?: string;
        contractId?: string;
        clientId?: string;
        requesterId?: string;
        participantId?: string;
        orderId?: string;
      };
      from?: string;
      to?: string;
      status?: string;
      format: 'csv' | 'json' | 'ndjson' | 'parquet' | 'xlsx' | 'pdf';
      options?: { separator?: ',' | ';'; bom?: boolean; json?: 'kept' | 'flat' };
      purpose: string;
      unmasked?: boolean;
      notify?: { email?: string; callbackUrl?: string };
    };
    answer: Report;
  };
  'GET /v1/reports/kinds': { answer: { items: ReportKind[] } };
  'GET /v1/reports/{reportId}': { answer: Report };
  'POST /v1/reports/{reportId}/cancel': { answer: Report };
  'POST /v1/reports/{reportId}/read': { answer: Report };
  'GET /v1/reports/{reportId}/download': { answer: { url: string; expiresInSeconds: number } };
  'POST /v1/reports/subject': { body: { document: string; purpose: string }; answer: unknown };
};
