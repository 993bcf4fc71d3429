import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, openDesk, orderOf } from '../../test/services/desk.ts';

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk({ worker: false });
});
afterAll(() => desk.close());

type Refusal = { type: string; detail: string; violations: { pointer: string; message: string }[] };

const post = (body: unknown) => desk.call<Refusal>('POST', '/v1/orders', { body });

const pointersOf = ({ body }: { body: Refusal }): string[] =>
  body.violations.map(({ pointer }) => pointer).sort();

const vectors = JSON.parse(
  await readFile(new URL('../../test/fixtures/documents/cpf-cnpj.json', import.meta.url), 'utf8'),
) as Record<'cpf_valido' | 'cpf_invalido' | 'cnpj_valido' | 'cnpj_invalido', string[]>;

describe('all that is wrong is told at once, each with its place', () => {
  it('across form, documents, domains and the limits of the area', async () => {
    const answer = await post({
      ...orderOf('alone'),
      platform: 'telex',
      signatureMethod: 'handwritten',
      power: 'close_fx_contract',
      amountCents: 5_000_000_001,
      requester: { type: 'company', document: '12ABC34501DE36' },
      requestedBy: '11111111111',
      guarantors: [{ type: 'person', document: '52998224726' }, { type: 'robot' }],
      callbackUrl: 'ftp://example.com',
      contractId: '',
      'surprise/~field': true,
    });
    expect(answer).toMatchObject({ status: 422, body: { type: '/problems/validation-failed' } });
    expect(pointersOf(answer)).toEqual(
      [
        '/amountCents',
        '/callbackUrl',
        '/contractId',
        '/guarantors/0/document',
        '/guarantors/1/type',
        '/platform',
        '/power',
        '/requestedBy',
        '/requester/document',
        '/signatureMethod',
        '/surprise~1~0field',
      ].sort(),
    );
    expect(answer.body.detail).toContain('11');
  });

  it('of declared representatives and of who signs, read by the engine itself', async () => {
    const [cpf = '', other = ''] = vectors.cpf_valido;
    const unreadable = {
      groups: [{ id: 'A', members: [{ person: cpf }, { person: other }] }],
      rules: [
        {
          id: 'r',
          version: 1,
          coverage: 'complete',
          power: 'sign_receipt_term',
          alternatives: [{ id: 'a', requires: [{ group: 'B', min: 0 }] }],
        },
      ],
    };
    const answer = await post(
      orderOf('alone', {
        platform: 'web_portal',
        power: 'sign_receipt_term',
        representatives: [
          { document: cpf, name: 'Um', email: 'not an address' },
          { document: cpf, name: 'Um' },
        ],
        signing: [unreadable],
      }),
    );
    expect(answer.status).toBe(422);
    expect(pointersOf(answer)).toContain('/representatives/0/email');
    const signing = pointersOf(
      await post({
        ...orderOf('alone', { platform: 'web_portal', power: 'sign_receipt_term' }),
        representatives: [
          { document: cpf, name: 'Um' },
          { document: cpf, name: 'Um' },
        ],
        signing: [unreadable],
      }),
    );
    expect(signing).toEqual(
      expect.arrayContaining([
        '/representatives/1/document',
        '/signing/0/groups/0/members/1/person',
        '/signing/0/rules/0/alternatives/0/requires/0/group',
        '/signing/0/rules/0/alternatives/0/requires/0/min',
      ]),
    );
  });

  it('without repeating documents or contacts in its words', async () => {
    const answer = await post(
      orderOf('alone', {
        requester: { type: 'person', document: '52998224726' },
        representatives: [{ document: '529982247', name: 'Ana', email: 'ana at example.com' }],
      }),
    );
    expect(answer.status).toBe(422);
    for (const secret of ['529982247', 'ana at example.com', 'Ana'])
      expect(answer.text).not.toContain(secret);
  });

  it('also where the body is no object at all', async () => {
    for (const body of ['[]', '"order"', '12', 'null', 'true'])
      expect(pointersOf(await post(body))).toEqual(['']);
  });
});

describe('documents', () => {
  const order = (type: 'person' | 'company', document: string) =>
    post(orderOf('alone', { requester: { type, document } }));

  it.each(vectors.cpf_valido)('the CPF %s is taken', async (cpf) => {
    expect((await order('person', cpf)).status).toBe(201);
  });

  it.each(vectors.cnpj_valido)('the CNPJ %s is taken', async (cnpj) => {
    expect((await order('company', cnpj)).status).toBe(201);
  });

  it.each([...vectors.cpf_invalido, '529.982.247-25', ' 52998224725', '5299822472', 'abcdefghijk'])(
    'the CPF %s is refused',
    async (cpf) => {
      expect(pointersOf(await order('person', cpf))).toEqual(['/requester/document']);
    },
  );

  it.each([...vectors.cnpj_invalido, '12abc34501de35', '12.ABC.345/01DE-35', '33683111000281'])(
    'the CNPJ %s is refused',
    async (cnpj) => {
      expect(pointersOf(await order('company', cnpj))).toEqual(['/requester/document']);
    },
  );

  it('are text: a number would lose its zeros', async () => {
    const answer = await post(orderOf('alone', { requester: { type: 'person', document: 1_234_567_890 } }));
    expect(pointersOf(answer)).toEqual(['/requester/document']);
  });
});

describe('amounts', () => {
  it.each([[-1], [0.5], ['12500000'], [2 ** 53], [1e300], [true]])('%s is no amount', async (amountCents) => {
    expect(pointersOf(await post(orderOf('alone', { amountCents })))).toEqual(['/amountCents']);
  });

  it('1e400, which JSON allows, is no amount either', async () => {
    const body = JSON.stringify(orderOf('alone')).replace('12500000', '1e400');
    expect(pointersOf(await post(body))).toEqual(['/amountCents']);
  });
});

describe('text from outside', () => {
  it.each([
    ['quotes and comments of SQL', `x'; DROP TABLE envelopes; --`],
    ['emoji and combining marks', 'Contrato nº 7 👩‍👩‍👧 e\u0301'],
    ['right-to-left and zero-width', '\u202eabc\u200b'],
    ['placeholders', '$1 %s {{x}} \\ " \''],
  ])('is kept as it came: %s', async (_, contractId) => {
    const { status, body } = await desk.call('POST', '/v1/orders', {
      body: orderOf('alone', { contractId, metadata: { [contractId.slice(0, 20)]: contractId } }),
    });
    expect(status).toBe(201);
    expect(await desk.order(body.orderKey)).toMatchObject({
      contractId,
      metadata: { [contractId.slice(0, 20)]: contractId },
    });
  });

  it.each([
    ['U+0000 in a field', { contractId: 'a\u0000b' }, '/contractId'],
    ['U+0000 deep in metadata', { metadata: { a: [{ b: '\u0000' }] } }, '/metadata/a/0/b'],
    ['U+0000 in a name', { metadata: { '\u0000': 1 } }, '/metadata'],
    ['half a surrogate', { metadata: { a: '\ud800' } }, '/metadata/a'],
  ])('is refused where no database can keep it: %s', async (_, change, pointer) => {
    expect(pointersOf(await post(orderOf('alone', change)))).toEqual([pointer]);
  });

  it('is refused where it is too long', async () => {
    const answer = await post(
      orderOf('alone', { contractId: 'x'.repeat(65), metadata: { text: 'x'.repeat(20_000) } }),
    );
    expect(pointersOf(answer)).toEqual(['/contractId', '/metadata']);
  });

  it('names of JavaScript objects are names like others', async () => {
    const metadata = {
      constructor: { prototype: { admin: true } },
      toString: 1,
      hasOwnProperty: null,
      prototype: {},
    };
    const { orderKey } = await desk.place(orderOf('alone', { metadata }));
    expect((await desk.order(orderKey)).metadata).toEqual(metadata);
    expect(pointersOf(await post({ ...orderOf('alone'), toString: 1 }))).toEqual(['/toString']);
    expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false);
  });

  it.each([
    ['{"metadata":{"__proto__":{"admin":true}}}', '/metadata/__proto__'],
    ['{"__proto__":{"areaId":"CRD01"}}', '/__proto__'],
  ])('that would reach prototypes is refused: %s', async (body, pointer) => {
    const answer = await post(body);
    expect(answer).toMatchObject({ status: 422, body: { type: '/problems/validation-failed' } });
    expect(pointersOf(answer)).toEqual([pointer]);
    expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false);
  });
});

describe('a body that two readers would read differently is refused as a whole', () => {
  const order = JSON.stringify(orderOf('alone'));

  it.each([
    ['a member twice', order.replace('{', '{"amountCents":1,'), '/amountCents'],
    ['a member twice, once escaped', order.replace('{', '{"\\u0070ower":"x",'), '/power'],
    [
      'a member of a party twice',
      order.replace('"document"', '"document":"x","document"'),
      '/requester/document',
    ],
    ['an amount that would be rounded', order.replace('12500000', '12500000.00000000001'), '/amountCents'],
  ])('%s', async (_, body, pointer) => {
    expect(body).not.toBe(order);
    const answer = await post(body);
    expect(answer).toMatchObject({ status: 422, body: { type: '/problems/validation-failed' } });
    expect(pointersOf(answer)).toEqual([pointer]);
  });

  it('also in a review', async () => {
    const answer = await desk.call<Refusal>('POST', '/v1/orders/ord_00000000000000000000000000/review', {
      as: await desk.token('CRD01', 'orders:review'),
      body: '{"reason":"a","settlements":[{"outcome":"applies","outcome":"does_not_apply"}]}',
    });
    expect(pointersOf(answer)).toEqual(['/settlements/0/outcome']);
  });
});

describe('a body that breaks a rule a hundred thousand times', () => {
  it('is answered with the first hundred, at once', async () => {
    const long = 'n'.repeat(60);
    const bad = `{"areaId":"CRD01","metadata":{"${long}":[${'"\\u0000",'.repeat(100_000)}1]}}`;
    const answer = await post(bad);
    expect(answer.status).toBe(422);
    expect(answer.body.violations).toHaveLength(100);
  });
});

describe('an area', () => {
  it('that is closed takes no orders', async () => {
    const answer = await desk.call<Refusal>('POST', '/v1/orders', {
      as: await desk.token('ENC01', 'orders:write'),
      body: orderOf('alone', { areaId: 'ENC01' }),
    });
    expect(pointersOf(answer)).toEqual(['/areaId']);
  });

  it('that takes no callbacks says so', async () => {
    const answer = await desk.call<Refusal>('POST', '/v1/orders', {
      as: await desk.token('CAM01', 'orders:write'),
      body: orderOf('alone', {
        areaId: 'CAM01',
        power: 'close_fx_contract',
        callbackUrl: 'https://example.com/hook',
      }),
    });
    expect(pointersOf(answer)).toEqual(['/callbackUrl']);
  });
});
