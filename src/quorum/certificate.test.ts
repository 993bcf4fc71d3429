import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  loadSigningKeys,
  publicJwks,
  rotateSigningKeys,
  type SigningKeys,
  signJws,
} from '../platform/signing-keys.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { type CertificateFacts, certificateType, signCertificate, verifyCertificate } from './certificate.ts';
import type { QuorumInput } from './contract.ts';
import { decide } from './engine.ts';
import { verify } from './verify.ts';

const hash = `sha256:${'0123456789abcdef'.repeat(4)}`;

const inputFor = (person = 'per_3Z7QK', rule = 'r1'): QuorumInput => ({
  at: '2026-11-22T12:00:00.123456789-03:00',
  act: { power: 'sign', amountCents: 100, channel: 'bankline' },
  requiresChannelAccess: false,
  groups: [{ id: 'A', members: [{ person, to: '2026-12-01T00:00:00Z' }] }],
  rules: [
    {
      id: rule,
      version: 7,
      coverage: 'complete',
      power: 'sign',
      alternatives: [{ id: 'a1', requires: [{ group: 'A', min: 1 }] }],
    },
  ],
  people: [{ id: person }],
});

const factsOf = (input: QuorumInput, more: Partial<CertificateFacts> = {}): CertificateFacts => ({
  orderKey: 'ord_01KAZJ4D5QJ8Y7Z3W9V2X1C0BN',
  party: 'requester',
  input,
  output: decide(input),
  evidence: [{ source: 'powers', hash }],
  ...more,
});

let folder: string;
let keys: SigningKeys;
const path = (): string => join(folder, 'keys.json');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-certificate-'));
  keys = await loadSigningKeys({ path: path() });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('signCertificate', () => {
  it('states the decision, what it rests on and until when it is stable', async () => {
    const input = inputFor();
    const jws = await signCertificate({ keys }, factsOf(input));
    const verified = await verifyCertificate({ jwks: publicJwks(keys) }, `${jws}\n`);
    expect(verified).toEqual({
      valid: true,
      kid: keys.kid,
      certificate: {
        certificateVersion: 1,
        orderKey: 'ord_01KAZJ4D5QJ8Y7Z3W9V2X1C0BN',
        party: 'requester',
        decidedAt: '2026-11-22T12:00:00.123456789-03:00',
        stableUntil: '2026-12-01T00:00:00Z',
        inputHash: decide(input).inputHash,
        engineVersion: '1',
        rules: [{ id: 'r1', version: 7 }],
        evidence: [{ source: 'powers', hash }],
        output: decide(input),
      },
    });
  });

  it('signs canonical JSON, and the same facts into the same bytes', async () => {
    const jws = await signCertificate({ keys }, factsOf(inputFor()));
    const payload = Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString();
    expect(payload).toBe(canonicalJson(JSON.parse(payload)));
    expect(await signCertificate({ keys }, factsOf(inputFor()))).toBe(jws);
  });

  it('goes on verifying after a rotation', async () => {
    const other = join(folder, 'rotated.json');
    const before = await signCertificate(
      { keys: await loadSigningKeys({ path: other }) },
      factsOf(inputFor()),
    );
    const rotated = await rotateSigningKeys(other);
    const after = await signCertificate({ keys: rotated }, factsOf(inputFor()));
    const jwks = publicJwks(rotated);
    expect(await verifyCertificate({ jwks }, before)).toMatchObject({ valid: true });
    expect(await verifyCertificate({ jwks }, after)).toMatchObject({ valid: true, kid: rotated.kid });
  });

  it('refuses the decision of another input', async () => {
    const output = decide(inputFor('per_OTHER'));
    await expect(signCertificate({ keys }, factsOf(inputFor(), { output }))).rejects.toThrow(/decision of/);
  });

  it('refuses evidence without a hash', async () => {
    const evidence = [{ source: 'powers', hash: 'md5:1' }];
    await expect(signCertificate({ keys }, factsOf(inputFor(), { evidence }))).rejects.toThrow(
      /evidence hash of powers/,
    );
  });
});

describe('personal data', () => {
  const refused = (facts: CertificateFacts) =>
    expect(signCertificate({ keys }, facts)).rejects.toThrow(/expected opaque ids/);

  it.each([
    ['a CPF', '52998224725'],
    ['eleven digits with wrong check digits', '12345678901'],
    ['a CPF with punctuation', '529.982.247-25'],
    ['a CPF with a dash', '529982247-25'],
    ['a CPF after a prefix', 'cpf:52998224725'],
    ['a CPF after an underscore', 'per_52998224725'],
    ['a CNPJ', '11222333000181'],
    ['fourteen digits with wrong check digits', '11222333000100'],
    ['a CNPJ with letters', '12ABC34501DE35'],
    ['a CNPJ with letters in lower case', '12abc34501de35'],
    ['a CNPJ with punctuation', '12.ABC.345/01DE-35'],
    ['a CNPJ inside a text', 'party 11222333000181, branch 1'],
  ])('is refused: %s', async (_, document) => {
    await refused(factsOf(inputFor(document)));
    await refused(factsOf(inputFor('per_1', document)));
    await refused(factsOf(inputFor(), { party: document }));
    await refused(factsOf(inputFor(), { orderKey: document }));
    await refused(factsOf(inputFor(), { evidence: [{ source: document, hash }] }));
  });

  it('is refused whatever the digits, and its text stays out of the message', async () => {
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^(?:[0-9]{11}|[0-9]{14})$/), async (document) => {
        const error: unknown = await signCertificate({ keys }, factsOf(inputFor(document))).catch(
          (caught: unknown) => caught,
        );
        expect(error).toMatchObject({ name: 'PersonalDataError' });
        expect(String(error)).not.toContain(document);
      }),
      { numRuns: 200 },
    );
  });

  it('is not seen in opaque ids', async () => {
    const ids = [
      'per_01KAZJ4D5QJ8Y7Z3W9V2X1C0BN',
      '6f1c2a9e-52998224725a-4b1d',
      '6f1c2a9e-1234-4234-9234-123456789012',
      'CREDITORULES01',
      '123456789012',
    ];
    for (const id of ids)
      await expect(signCertificate({ keys }, factsOf(inputFor(id)))).resolves.toBeTypeOf('string');
  });
});

describe('verify', () => {
  const jwks = () => publicJwks(keys);

  it('decides again and finds the same', async () => {
    const jws = await signCertificate({ keys }, factsOf(inputFor()));
    expect(await verify({ jwks: jwks() }, { jws, input: inputFor() })).toMatchObject({
      status: 'verified',
      kid: keys.kid,
    });
  });

  it('says exactly where a forged decision differs', async () => {
    const facts = factsOf(inputFor());
    const output = { ...facts.output, indispensable: [], toleratedAbsences: 3 };
    const jws = await signCertificate({ keys }, { ...facts, output });
    expect(await verify({ jwks: jwks() }, { jws, input: inputFor() })).toMatchObject({
      status: 'different',
      differences: [
        { pointer: '/output/indispensable/0', decided: 'per_3Z7QK' },
        { pointer: '/output/toleratedAbsences', certificate: 3, decided: 0 },
      ],
    });
  });

  it('says that the input is another one, even where its ids are documents', async () => {
    const jws = await signCertificate({ keys }, factsOf(inputFor()));
    const result = await verify({ jwks: jwks() }, { jws, input: inputFor('12345678901') });
    expect(result).toMatchObject({ status: 'different' });
    expect(result.status === 'different' && result.differences.map(({ pointer }) => pointer)).toContain(
      '/inputHash',
    );
  });

  it('tells an engine that it does not have from a mistake', async () => {
    const facts = factsOf(inputFor());
    const jws = await signCertificate(
      { keys },
      { ...facts, output: { ...facts.output, engineVersion: '99' } },
    );
    expect(await verify({ jwks: jwks() }, { jws, input: inputFor() })).toMatchObject({
      status: 'unknown_engine',
      message: expect.stringMatching(/engine version "99" and this program has "1"/),
    });
  });

  it('does not trust what was signed as something else, by someone else, or changed', async () => {
    const jws = await signCertificate({ keys }, factsOf(inputFor()));
    const [header = '', payload = '', signature = ''] = jws.split('.');
    const stranger = await loadSigningKeys({ path: join(folder, 'stranger.json') });
    const forged = Buffer.from(payload, 'base64url').toString().replace('"quorum"', '"no_quorum"');
    const result = async (text: string, trusted = jwks()) => {
      const found = await verify({ jwks: trusted }, { jws: text, input: inputFor() });
      return found.status === 'not_authentic' ? found.code : found.status;
    };
    expect(await result(`${header}.${Buffer.from(forged).toString('base64url')}.${signature}`)).toBe(
      'bad_signature',
    );
    expect(await result(jws, publicJwks(stranger))).toBe('unknown_key');
    expect(
      await result(await signJws({ keys, type: 'audit-seal' }, Buffer.from(payload, 'base64url').toString())),
    ).toBe('wrong_type');
    expect(
      await result(await signJws({ keys, type: certificateType }, '{"certificateVersion":1, "spaced":true}')),
    ).toBe('unknown_format');
    expect(await result(await signJws({ keys, type: certificateType }, '{"certificateVersion":2}'))).toBe(
      'unknown_format',
    );
    expect(await result('')).toBe('malformed');
  });
});
