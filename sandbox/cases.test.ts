import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cnpj, cpf } from 'cpf-cnpj-validator';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenPartners, openPartners, PartnerUnavailable } from '../src/partners/partners.ts';
import type { QuorumOutput } from '../src/quorum/contract.ts';
import { decide } from '../src/quorum/quorum.ts';
import { type SandboxRequest, sandboxCases, undeterminedCases } from './cases.ts';
import { demoCompanies } from './demo-companies.ts';
import { type Sandbox, startSandbox } from './sandbox.ts';

let home: string;
let sandbox: Sandbox;
let partners: OpenPartners;
const call = { requestId: 'test' };

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-sandbox-'));
  sandbox = await startSandbox({ port: 0, home, companies: 0 });
  const log = { info: () => {}, warn: () => {} };
  partners = openPartners({ baseUrl: sandbox.url, timeoutMs: 60_000, metrics: new Registry(), log });
});
afterAll(async () => {
  await partners.close();
  await sandbox.close();
  await rm(home, { recursive: true });
});

type Request = {
  power: string;
  platform: string;
  amountCents: number;
  requestedBy?: string;
  requester: { type: string; document: string };
  guarantors?: { type: string; document: string }[];
};

/** The decision about one company as the issue of the order desk tells it, from the partners' answers alone. */
const decideCompany = async (company: string, request: Request): Promise<QuorumOutput> => {
  const { power, platform } = request;
  const powers = (await partners.powers({ company, power }, call)).value;
  const documents = powers.representatives.map(({ document }) => document);
  const operators = (await partners.registry({ company, documents }, call)).value;
  const act = { power, amountCents: request.amountCents, channel: platform, product: 'credit' };
  return decide({
    at: new Date().toISOString(),
    act,
    ...(request.requestedBy !== undefined && { requester: request.requestedBy }),
    requiresChannelAccess: platform === 'bankline',
    unavailable: powers.unavailable,
    groups: powers.groups,
    rules: powers.rules,
    people: powers.representatives.map(({ document, reservations }, index) => ({
      id: document,
      reservations,
      operator: {
        active: operators[index]?.active ?? false,
        accountAccess: operators[index]?.accountAccess ?? false,
      },
    })),
  });
};

const reasonOf = ({ people, reasons }: QuorumOutput): string => {
  const reserved = (reasonsOf: { code: string }[]): boolean =>
    reasonsOf.some(({ code }) => ['value_limit', 'validity', 'suspended'].includes(code));
  if (people.length === 0) return 'no_representatives';
  const free = people.filter((person) => !reserved(person.reasons));
  if (free.length === 0) return 'all_reserved';
  if (free.every(({ status }) => status === 'blocked')) return 'no_channel_access';
  return reasons.find((reason) => reason === 'forbidden' || reason === 'no_rule') ?? 'no_grouping';
};

const decideAll = (request: Request): Promise<QuorumOutput[]> =>
  Promise.all(
    [request.requester, ...(request.guarantors ?? [])]
      .filter(({ type }) => type === 'company')
      .map(({ document }) => decideCompany(document, request)),
  );

const consulted = (request: SandboxRequest): boolean => request.signing === undefined;

describe('the cases', () => {
  const decided = sandboxCases().flatMap(({ name, request, expect: end }) =>
    'verdict' in end && consulted(request) ? [{ name, request: request as Request, end }] : [],
  );

  it.each(decided)('$name: $end.verdict $end.failureReason', async ({ request, end }) => {
    const outputs = await decideAll(request);
    const refused = outputs.filter(({ verdict }) => verdict !== 'quorum');
    expect(refused.map(({ verdict }) => verdict)).toEqual(refused.map(() => 'no_quorum'));
    expect(refused.length === 0 ? 'quorum' : 'no_quorum').toBe(end.verdict);
    expect(refused.map(reasonOf)).toEqual(end.failureReason === undefined ? [] : [end.failureReason]);
  });

  it.each(undeterminedCases())('$name: $reason', async ({ request, reason }) => {
    const outcome = await decideAll(request as Request).catch((error: unknown) => error);
    if (outcome instanceof PartnerUnavailable) return expect(reason).toBe('waiting_partner');
    const [output] = outcome as QuorumOutput[];
    expect(output?.verdict).toBe('undetermined');
    const missingSource = output?.reasons.includes('source_unavailable');
    expect(reason).toBe(missingSource ? 'waiting_partner' : 'needs_review');
  });

  it('cover both verdicts, every failure of the flow and requests that are refused', () => {
    const ends = new Set(
      sandboxCases().map(({ expect: end }) =>
        'status' in end ? String(end.status) : (end.failureReason ?? end.verdict),
      ),
    );
    expect([...ends].toSorted()).toEqual([
      '422',
      'all_reserved',
      'forbidden',
      'no_channel_access',
      'no_grouping',
      'no_representatives',
      'no_rule',
      'quorum',
    ]);
  });

  it('have names of their own and are all for one area', () => {
    const cases = sandboxCases();
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    expect(new Set(cases.map(({ request }) => request.areaId))).toEqual(new Set(['CRD01']));
  });

  it('use every demo company', () => {
    const used = JSON.stringify([sandboxCases(), undeterminedCases()]);
    const unused = [...demoCompanies().values()].filter(({ company }) => !used.includes(company.cnpj));
    expect(unused.map(({ key }) => key)).toEqual([]);
  });
});

describe('the demo companies', () => {
  it('have valid documents, each once', () => {
    const all = [...demoCompanies().values()];
    const cnpjs = all.map(({ company }) => company.cnpj);
    const cpfs = all.flatMap(({ people }) => people.map((person) => person.cpf));
    expect(cnpjs.filter((document) => !cnpj.isValid(document))).toEqual([]);
    expect(cpfs.filter((document) => !cpf.isValid(document))).toEqual([]);
    expect(new Set(cnpjs).size).toBe(all.length);
    expect(new Set(cpfs).size).toBe(cpfs.length);
    expect(cnpjs).toContain('12ABC34501DE35');
  });
});
