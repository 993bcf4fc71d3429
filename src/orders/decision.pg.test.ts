import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Desk } from '../../test/services/desk.ts';
import { demo, eventually, isDecided, openDesk, orderOf } from '../../test/services/desk.ts';
import { transaction } from '../platform/postgres.ts';
import { publicJwks } from '../platform/signing-keys.ts';
import type { QuorumInput } from '../quorum/contract.ts';
import { verifyCertificate } from '../quorum/quorum.ts';
import { assemblyQueue } from './assembly.ts';
import type { OrderView } from './view.ts';

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

const inputsOf = async ({ orderKey }: OrderView): Promise<QuorumInput[]> => {
  const { rows } = await desk.db.query<{ entrada: string }>(
    'SELECT entrada FROM partes WHERE envelope_id = $1 ORDER BY parte',
    [orderKey],
  );
  return rows.map(({ entrada }) => JSON.parse(entrada) as QuorumInput);
};

describe('the people of an order', () => {
  it('stay representatives when a reservation holds them back, but are not enabled', async () => {
    const order = await desk.decide(orderOf('some_reserved'));
    const { cpf } = demo('some_reserved');
    const people = new Map(order.parties[0]?.people.map((person) => [person.document, person]));
    expect(people.get(cpf('livre'))).toMatchObject({ status: 'eligible', reserved: false, enabled: true });
    expect(people.get(cpf('limitada'))).toMatchObject({
      status: 'blocked',
      reasons: [{ code: 'value_limit', reservation: 0 }],
      reserved: true,
      enabled: false,
    });
    expect(people.get(cpf('suspenso'))).toMatchObject({ status: 'blocked', reserved: true, enabled: false });

    const { rows } = await desk.db.query(
      'SELECT documento, reservado, habilitado FROM participantes WHERE envelope_id = $1 ORDER BY documento',
      [order.orderKey],
    );
    expect(rows).toEqual([
      { documento: cpf('livre'), reservado: false, habilitado: true },
      { documento: cpf('limitada'), reservado: true, habilitado: false },
      { documento: cpf('suspenso'), reservado: true, habilitado: false },
    ]);
  });

  it('without access are disabled, and are not taken for reserved', async () => {
    const order = await desk.decide(orderOf('majority'));
    const readOnly = order.parties[0]?.people.find(
      ({ document }) => document === demo('majority').cpf('cinco'),
    );
    expect(readOnly).toMatchObject({
      reasons: [{ code: 'no_account_access' }],
      reserved: false,
      enabled: false,
    });
  });

  it('all reach the engine, with what is known of each: it counts registered members', async () => {
    const order = await desk.decide(orderOf('majority'));
    const [input] = await inputsOf(order);
    expect(input?.people).toHaveLength(5);
    expect(input?.people.filter(({ reservations }) => reservations?.length)).toHaveLength(1);
    expect(
      input?.people.map(({ operator }) => operator?.accountAccess).filter((access) => !access),
    ).toHaveLength(1);
    expect(input?.groups[0]?.members).toHaveLength(5);
  });

  it('are named to the engine by ids that are the same in every order and no documents', async () => {
    const [one, other] = [await desk.decide(orderOf('alone')), await desk.decide(orderOf('alone'))];
    expect(one.parties[0]?.people[0]?.id).toBe(other.parties[0]?.people[0]?.id);
    expect(one.parties[0]?.people[0]?.id).toMatch(/^pes_[0-9a-f]{20}$/);
    const texts = JSON.stringify(await inputsOf(one)) + JSON.stringify(one.parties[0]?.decision);
    expect(texts).not.toContain(demo('alone').cpf('dono'));
    expect(texts).not.toContain(demo('alone').company.cnpj);
  });

  it('have name and contacts, shown masked', async () => {
    const order = await desk.decide(orderOf('alone'));
    expect(order.parties[0]?.people[0]).toMatchObject({
      name: 'Otávio Lacerda',
      email: expect.stringMatching(/^o\*\*\*@alone\.example$/),
      phone: expect.stringMatching(/^\*\*\*\d{4}$/),
    });
  });
});

describe('every party', () => {
  it('is decided on its own, and all must have quorum', async () => {
    const company = (key: string) => ({ type: 'company', document: demo(key).company.cnpj });
    const order = await desk.decide(
      orderOf('joint', { guarantors: [company('alone'), company('second_group_empty')] }),
    );
    expect(order).toMatchObject({ status: 'failed', verdict: 'no_quorum', failureReason: 'no_grouping' });
    expect(order.parties.map(({ role, verdict, failureReason }) => [role, verdict, failureReason])).toEqual([
      ['requester', 'quorum', null],
      ['guarantor', 'quorum', null],
      ['guarantor', 'no_quorum', 'no_grouping'],
    ]);
    expect(order.certificate).toBe(order.parties[2]?.certificate);
  });

  it('is explained in Portuguese, or in English where that is wanted more', async () => {
    const { orderKey } = await desk.decide(orderOf('alone'));
    const explained = async (language: string): Promise<string | undefined> => {
      const { body } = await desk.call('GET', `/v1/orders/${orderKey}`, {
        headers: { 'accept-language': language },
      });
      return body.parties[0]?.explanation;
    };
    const portuguese = await explained('pt-BR');
    const english = await explained('en');
    expect(english).not.toBe(portuguese);
    expect(portuguese).toContain('Otávio Lacerda');
    expect(await explained('fr, en-GB;q=0.8, pt;q=0.5')).toBe(english);
    expect(await explained('en;q=0.4, pt-BR;q=0.9')).toBe(portuguese);
    expect(await explained('pt ; q=0.1, en-US ; q=0.2')).toBe(english);
    expect(await explained(`en${' '.repeat(12_000)}x`)).toBe(portuguese);
    expect(await explained('*')).toBe(portuguese);
    expect(await explained(';;q=,')).toBe(portuguese);
  });
});

describe('the evidence', () => {
  it('keeps each answer as it was received, with its hash, and the certificate names it', async () => {
    const order = await desk.decide(orderOf('joint', { guarantors: [orderOf('alone').requester] }));
    const { rows } = await desk.db.query<{ parceiro: string; corpo: string; hash_sha256: string }>(
      'SELECT parceiro, corpo, hash_sha256 FROM evidencias WHERE envelope_id = $1',
      [order.orderKey],
    );
    expect(rows.map(({ parceiro }) => parceiro).sort()).toEqual([
      'people',
      'powers',
      'powers',
      'registry',
      'registry',
    ]);
    for (const { corpo, hash_sha256 } of rows)
      expect(createHash('sha256').update(corpo).digest('hex')).toBe(hash_sha256);

    const verified = await verifyCertificate(
      { jwks: publicJwks(desk.parts.keys) },
      order.certificate ?? 'no certificate',
    );
    const named = verified.valid ? verified.certificate.evidence.map(({ hash }) => hash) : [];
    for (const { hash_sha256 } of rows) expect(named).toContain(`sha256:${hash_sha256}`);
  });

  it('holds the powers answer with the reservations in the words of the partner', async () => {
    const order = await desk.decide(orderOf('suspended'));
    const { rows } = await desk.db.query<{ corpo: string }>(
      `SELECT corpo FROM evidencias WHERE envelope_id = $1 AND parceiro = 'powers'`,
      [order.orderKey],
    );
    expect(JSON.parse(rows[0]?.corpo ?? 'null')).toMatchObject({
      cnpj: demo('suspended').company.cnpj,
      representantes: [{ ressalvas: [{ tipo: 'suspensao' }] }],
    });
  });
});

describe('the certificates', () => {
  it('verify with the published keys, say what was decided and carry no document', async () => {
    const order = await desk.decide(orderOf('joint', { guarantors: [orderOf('half').requester] }));
    const { body: jwks } = await desk.call<Parameters<typeof verifyCertificate>[0]['jwks']>(
      'GET',
      '/.well-known/jwks.json',
      { as: null },
    );
    for (const [index, party] of order.parties.entries()) {
      const verified = await verifyCertificate({ jwks }, party.certificate ?? 'no certificate');
      expect(verified).toMatchObject({
        valid: true,
        certificate: {
          orderKey: order.orderKey,
          party: ['requester', 'guarantor-1'][index],
          output: { verdict: party.verdict },
        },
      });
      const payload = Buffer.from(party.certificate?.split('.')[1] ?? '', 'base64url').toString();
      for (const { document } of [...party.people, ...order.parties]) expect(payload).not.toContain(document);
    }
  });
});

describe('the timeline', () => {
  it('tells what happened, when and through whom', async () => {
    const order = await desk.decide(orderOf('no_operators'));
    expect(order.timeline).toEqual([
      { type: 'order_created', at: order.createdAt, by: 'area-CRD01', detail: {} },
      {
        type: 'decided',
        at: order.decidedAt,
        by: 'lastro',
        detail: { verdict: 'no_quorum', failureReason: 'no_channel_access' },
      },
    ]);
  });
});

describe('the result message', () => {
  const messageOf = (orderKey: string) =>
    eventually(`a message of ${orderKey}`, async () => {
      const { body } = await desk.call<{ messages: Record<string, unknown>[] }>(
        'GET',
        '/v1/messages?limit=1000',
      );
      return body.messages.find((message) => message.orderKey === orderKey);
    });

  it('says verdict, reasons, parties and people, with the certificate', async () => {
    const order = await desk.decide(orderOf('some_reserved', { contractId: 'CT-1' }));
    const party = order.parties[0];
    expect(await messageOf(order.orderKey)).toEqual({
      type: 'envelope.quorum_decided',
      id: expect.stringMatching(/^msg_[0-9A-Z]{26}$/),
      orderKey: order.orderKey,
      areaId: 'CRD01',
      verdict: 'quorum',
      failureReason: null,
      reasons: party?.decision.reasons,
      parties: [
        {
          role: 'requester',
          type: 'company',
          document: demo('some_reserved').company.cnpj,
          verdict: 'quorum',
          reasons: party?.decision.reasons,
          failureReason: null,
          people: expect.arrayContaining(
            (party?.people ?? []).map(({ id, document, name, reserved, enabled }) => ({
              id,
              document,
              name,
              reserved,
              enabled,
            })),
          ),
        },
      ],
      // Of a single party the order's certificate is the party's.
      certificate: party?.certificate,
      decidedAt: order.decidedAt,
    });
  });

  it("has each party's certificate where there are several", async () => {
    const guarantor = { type: 'company', document: demo('alone').company.cnpj };
    const order = await desk.decide(orderOf('joint', { guarantors: [guarantor] }));
    const message = (await messageOf(order.orderKey)) as { parties: { certificate: string }[] };
    expect(message.parties.map(({ certificate }) => certificate)).toEqual(
      order.parties.map(({ certificate }) => certificate),
    );
  });

  it('of an order without quorum carries the reason why it failed', async () => {
    const order = await desk.decide(orderOf('forbidden'));
    expect(await messageOf(order.orderKey)).toMatchObject({
      verdict: 'no_quorum',
      failureReason: 'forbidden',
      reasons: expect.arrayContaining(['forbidden']),
    });
  });

  it('is one for each order, whatever jobs run twice', async () => {
    const { orderKey } = await desk.place(orderOf('alone'));
    const twins = Array.from({ length: 5 }, () => ({ orderKey, requestId: 'req_twin', attempt: 0 }));
    await transaction(desk.db, async (tx) => {
      for (const twin of twins) await desk.parts.jobs.enqueue(tx, assemblyQueue, twin);
    });
    await desk.until(orderKey, isDecided);
    await eventually('every twin to end', async () => {
      const [assembly] = await desk.parts.jobs.overview();
      return assembly?.active === 0 && assembly.waiting === 0 ? true : undefined;
    });
    const { rows } = await desk.db.query('SELECT mensagem_id FROM mensagens WHERE envelope_id = $1', [
      orderKey,
    ]);
    expect(rows).toHaveLength(1);
    expect((await desk.order(orderKey)).timeline.map(({ type }) => type)).toEqual([
      'order_created',
      'decided',
    ]);
  });
});
