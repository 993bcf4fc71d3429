import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type BreakerState,
  type OpenPartners,
  openPartners,
  type PartnerName,
  type PartnersDeps,
  PartnerUnavailable,
} from '../src/partners/partners.ts';
import type { FaultInput } from './faults.ts';
import { type Sandbox, startSandbox } from './sandbox.ts';

let home: string;
let sandbox: Sandbox;
let opened: OpenPartners[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-sandbox-'));
  sandbox = await startSandbox({ port: 0, home, companies: 0 });
});
afterEach(async () => {
  sandbox.faults.remove();
  sandbox.calls.reset();
  await Promise.all(opened.map((partners) => partners.close()));
  opened = [];
});
afterAll(async () => {
  await sandbox.close();
  await rm(home, { recursive: true });
});

const open = (change: Partial<PartnersDeps> = {}) => {
  const metrics = new Registry();
  const states: [PartnerName, BreakerState][] = [];
  const partners = openPartners({
    baseUrl: sandbox.url,
    timeoutMs: 60_000,
    metrics,
    log: { info: () => {}, warn: () => {} },
    onStateChange: (partner, state) => states.push([partner, state]),
    ...change,
    resilience: { retryDelayMs: 1, ...change.resilience },
  });
  opened.push(partners);
  return { partners, metrics, states };
};

/** For what must come: a busy machine may take its time. */
const patient = { timeout: 60_000 };

const call = { requestId: 'req-1' };
const joint = { company: '12ABC34501DE35', power: 'sign_credit_contract' };
const failure = (work: Promise<unknown>): Promise<PartnerUnavailable> =>
  work.then(
    (answer) => expect.fail(`expected a failure, found the answer ${JSON.stringify(answer)}`),
    (error: unknown) => (error instanceof PartnerUnavailable ? error : Promise.reject(error)),
  );
const requests = (partner: PartnerName): number => sandbox.calls.snapshot().partners[partner].requests;

describe('a fault of a partner is a failure with its reason, never an answer', () => {
  it.each<[FaultInput['kind'], string, number]>([
    ['error', 'server_error', 3],
    ['throttle', 'throttled', 1],
    ['reset', 'connection', 3],
    ['outage', 'connection', 3],
    ['lost_answer', 'connection', 3],
    ['cut', 'connection', 3],
    ['malformed', 'malformed', 3],
    ['html', 'malformed', 3],
    ['oversized', 'malformed', 3],
    ['wrong_shape', 'malformed', 1],
  ])('%s: %s, after %i requests', async (kind, reason, asked) => {
    const { partners } = open();
    sandbox.faults.add({ partner: 'powers', kind });
    const error = await failure(partners.powers(joint, call));
    expect(error).toMatchObject({ partner: 'powers', reason });
    expect(requests('powers')).toBe(asked);
  });

  it('timeout: not asked again at once', async () => {
    const { partners } = open({ timeoutMs: 1_000 });
    sandbox.faults.add({ partner: 'registry', kind: 'timeout' });
    const error = await failure(partners.registry({ company: joint.company, documents: [] }, call));
    expect(error).toMatchObject({ partner: 'registry', reason: 'timeout' });
    expect(requests('registry')).toBe(1);
  });

  it('latency beyond the time limit is a timeout, below it an answer', async () => {
    const { partners } = open({ timeoutMs: 2_000 });
    sandbox.faults.add({ partner: 'powers', kind: 'latency', ms: 10_000, times: 1 });
    expect((await failure(partners.powers(joint, call))).reason).toBe('timeout');
    expect((await partners.powers(joint, call)).value.representatives).toHaveLength(3);
  });

  it.each(['parameters', 'domains', 'people', 'notifications'] as const)('%s alike', async (partner) => {
    const { partners } = open();
    sandbox.faults.add({ partner, kind: 'error' });
    const recipient = { document: '1', name: 'n', email: null, phone: null };
    const asking = {
      parameters: () => partners.parameters('CRD01', call),
      domains: () => partners.domains(call),
      people: () => partners.people(['1'], call),
      notifications: () =>
        partners.notify(
          { idempotencyKey: 'k', orderKey: 'o', areaId: 'CRD01', template: 't', recipient },
          call,
        ),
    };
    expect(await failure(asking[partner]())).toMatchObject({ partner, reason: 'server_error' });
  });

  it('a 404 counts as an answer only with the code of one', async () => {
    const { partners } = open();
    expect((await partners.parameters('NONE', call)).value).toBeNull();
    const unknown = { company: '33683111000280', power: 'sign_credit_contract' };
    expect((await partners.powers(unknown, call)).value.representatives).toEqual([]);
    const { partners: elsewhere } = open({ baseUrl: `${sandbox.url}/wrong/place` });
    expect((await failure(elsewhere.parameters('NONE', call))).reason).toBe('rejected');
    expect((await failure(elsewhere.powers(unknown, call))).reason).toBe('rejected');
  });

  it('nobody listening', async () => {
    const { partners } = open({ baseUrl: 'http://127.0.0.1:1' });
    expect((await failure(partners.powers(joint, call))).reason).toBe('connection');
  });

  it('a Retry-After is passed on', async () => {
    const { partners } = open();
    sandbox.faults.add({ partner: 'powers', kind: 'throttle', retryAfterSeconds: 7 });
    expect((await failure(partners.powers(joint, call))).retryAfterMs).toBe(7_000);
  });
});

describe('retries', () => {
  it('carry a call over a partner that fails twice and recovers', async () => {
    const { partners, metrics } = open();
    sandbox.faults.add({ partner: 'powers', kind: 'error', times: 2 });
    expect((await partners.powers(joint, call)).value.representatives).toHaveLength(3);
    expect(requests('powers')).toBe(3);
    expect(await metrics.metrics()).toContain('lastro_partner_retries_total{partner="powers"} 2');
  });

  it('send one message when the answer to the first request is lost', async () => {
    const { partners } = open();
    const recipient = { document: '1', name: 'Ana', email: 'ana@a.example', phone: null };
    const message = { idempotencyKey: 'once', orderKey: 'ord_1', areaId: 'CRD01', template: 't', recipient };
    sandbox.faults.add({ partner: 'notifications', kind: 'lost_answer', times: 1 });
    const first = await partners.notify(message, call);
    const again = await partners.notify(message, call);
    expect(again.value).toEqual(first.value);
    const sent = sandbox.notifications().filter(({ idempotencyKey }) => idempotencyKey === 'once');
    expect(sent).toMatchObject([{ requests: 3, body: { ordem_id: 'ord_1', destinatario: { cpf: '1' } } }]);
    const other = { ...message, template: 'another' };
    expect((await failure(partners.notify(other, call))).reason).toBe('rejected');
  });
});

describe('the breaker', () => {
  it('opens after failures in a row, asks nobody, and closes by itself when the partner is well', async () => {
    const { partners, metrics, states } = open({
      resilience: { retries: 0, breakAfter: 5, halfOpenAfterMs: 2_000 },
    });
    sandbox.faults.add({ partner: 'powers', kind: 'outage' });
    for (let attempt = 0; attempt < 5; attempt++) {
      expect((await failure(partners.powers(joint, call))).reason).toBe('connection');
    }
    const refused = await failure(partners.powers(joint, call));
    expect(refused.reason).toBe('circuit_open');
    expect(refused.retryAfterMs).toBeGreaterThanOrEqual(0);
    expect(requests('powers')).toBe(5);
    expect(partners.states()).toMatchObject({ powers: 'open', registry: 'closed' });
    expect(await metrics.metrics()).toContain('lastro_partner_breaker_state{partner="powers"} 2');
    await vi.waitFor(
      () => expect(sandbox.calls.snapshot().partners.powers.health).toBeGreaterThan(0),
      patient,
    );

    sandbox.faults.remove();
    await vi.waitFor(() => expect(partners.states().powers).toBe('closed'), patient);
    expect(requests('powers')).toBe(5);
    expect(states.at(0)).toEqual(['powers', 'open']);
    expect(states.at(-1)).toEqual(['powers', 'closed']);
    expect(await metrics.metrics()).toContain('lastro_partner_breaker_state{partner="powers"} 0');
    expect((await partners.powers(joint, call)).value.representatives).toHaveLength(3);
  });

  it('is not moved by one company whose record is wrong, nor by a mistake of ours', async () => {
    const { partners } = open({ resilience: { breakAfter: 2 } });
    sandbox.faults.add({ partner: 'powers', kind: 'wrong_shape', company: joint.company });
    for (let attempt = 0; attempt < 4; attempt++) {
      expect((await failure(partners.powers(joint, call))).reason).toBe('malformed');
    }
    expect(partners.states().powers).toBe('closed');
    const { partners: misplaced } = open({ baseUrl: `${sandbox.url}/wrong`, resilience: { breakAfter: 1 } });
    expect((await failure(misplaced.powers(joint, call))).reason).toBe('rejected');
    expect(misplaced.states().powers).toBe('closed');
  });

  it('stays open when the caller of the test call gives up', async () => {
    const { partners } = open({ resilience: { retries: 0, breakAfter: 1, halfOpenAfterMs: 20 } });
    sandbox.faults.add({ partner: 'powers', kind: 'error', times: 1 });
    expect((await failure(partners.powers(joint, call))).reason).toBe('server_error');
    sandbox.faults.add({ partner: 'powers', kind: 'timeout' });
    await new Promise((resolve) => setTimeout(resolve, 21));
    const giveUp = AbortSignal.timeout(50);
    await partners.powers(joint, { ...call, signal: giveUp }).catch(() => {});
    expect(partners.states().powers).not.toBe('closed');
  });
});

describe('a caller', () => {
  it('who gives up gets the own reason', async () => {
    const { partners } = open();
    sandbox.faults.add({ partner: 'powers', kind: 'timeout' });
    const controller = new AbortController();
    const work = partners.powers(joint, { ...call, signal: controller.signal });
    await vi.waitFor(() => expect(requests('powers')).toBe(1), patient);
    controller.abort(new Error('shutting down'));
    await expect(work).rejects.toThrow('shutting down');
  });

  it('beyond the queue is refused, so that a slow partner does not fill the process', async () => {
    const { partners } = open({ resilience: { concurrency: 1, queue: 1 } });
    sandbox.faults.add({ partner: 'powers', kind: 'latency', ms: 100 });
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => partners.powers(joint, call)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes[2]).toMatchObject({ reason: { reason: 'overloaded' } });
  });
});

describe('a partner that hangs', () => {
  it('takes nothing from the others', async () => {
    const { partners } = open({ resilience: { concurrency: 2, breakAfter: 100 } });
    sandbox.faults.add({ partner: 'powers', kind: 'timeout' });
    const controller = new AbortController();
    const patientCall = { ...call, signal: controller.signal };
    const hanging = Promise.allSettled([1, 2, 3, 4].map(() => partners.powers(joint, patientCall)));
    await vi.waitFor(() => expect(requests('powers')).toBe(2), patient);
    const registry = { company: joint.company, documents: ['90000000094'] };
    const answers = await Promise.all([1, 2, 3].map(() => partners.registry(registry, call)));
    expect(answers.map(({ value }) => value[0]?.accountAccess)).toEqual([true, true, true]);
    expect(requests('powers')).toBe(2);
    controller.abort(new Error('enough'));
    expect((await hanging).map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
  });
});

describe('what is cached', () => {
  it('parameters, domains and people: one request for many callers', async () => {
    const { partners } = open();
    sandbox.faults.add({ partner: '*', kind: 'latency', ms: 20 });
    const areas = await Promise.all(Array.from({ length: 50 }, () => partners.parameters('CRD01', call)));
    expect(new Set(areas.map(({ value }) => value?.areaId))).toEqual(new Set(['CRD01']));
    await partners.people(['90000000094', '90000000175'], call);
    const again = await partners.people(['90000000175', '90000000094'], call);
    expect(again).toMatchObject({ fromCache: true, partner: 'people' });
    await partners.domains(call);
    await partners.domains(call);
    expect([requests('parameters'), requests('people'), requests('domains')]).toEqual([1, 1, 1]);
    await partners.parameters('CRD01', { ...call, fresh: true });
    expect(requests('parameters')).toBe(2);
  });

  it('powers and registry: never', async () => {
    const { partners } = open();
    const registry = { company: joint.company, documents: ['90000000094'] };
    for (let time = 0; time < 2; time++) {
      expect((await partners.powers(joint, call)).fromCache).toBe(false);
      expect((await partners.registry(registry, call)).fromCache).toBe(false);
    }
    expect([requests('powers'), requests('registry')]).toEqual([2, 2]);
    expect(sandbox.calls.snapshot(joint.company).company).toMatchObject({ powers: 2, registry: 2 });
  });

  it('evidence is read again without asking, through the same reader', async () => {
    const { partners, metrics } = open();
    const answer = await partners.powers(joint, call);
    const contacts = await partners.people(['90000000094'], call);
    const { raw, sha256, receivedAt } = answer;
    sandbox.faults.add({ partner: '*', kind: 'outage' });
    const again = await partners.powers(joint, { ...call, recorded: { raw, sha256, receivedAt } });
    expect(again.value).toEqual(answer.value);
    const old = { ...contacts, raw: contacts.raw.replace('Ana', 'Eva') };
    expect((await partners.people(['90000000094'], { ...call, recorded: old })).value[0]?.name).toMatch(
      /^Eva/,
    );
    expect((await partners.people(['90000000094'], call)).value[0]?.name).toMatch(/^Ana/);
    expect(await metrics.metrics()).toContain(
      'lastro_partner_call_seconds_count{partner="powers",outcome="ok"} 1',
    );
  });
});
