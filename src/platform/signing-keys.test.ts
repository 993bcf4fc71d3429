import { fork } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  loadSigningKeys,
  parsePublicJwks,
  publicJwks,
  rotateSigningKeys,
  signingKeysFile,
  signJws,
  verifyJws,
} from './signing-keys.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-keys-'));
  path = join(folder, 'home', 'signing-keys.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const stored = async (): Promise<{ keys: Record<string, unknown>[] }> =>
  JSON.parse(await readFile(path, 'utf8'));

describe('loadSigningKeys', () => {
  it('makes the file once, readable by its owner alone, and finds the same keys afterwards', async () => {
    const made = await loadSigningKeys({ path });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await loadSigningKeys({ path })).kid).toBe(made.kid);
    expect(await readdir(join(folder, 'home'))).toEqual(['signing-keys.json']);
  });

  it('gives the same keys to callers that start at once in one process', async () => {
    const loaded = await Promise.all(Array.from({ length: 16 }, () => loadSigningKeys({ path })));
    expect(new Set(loaded.map((keys) => keys.kid)).size).toBe(1);
  });

  it('gives the same keys to processes that start at once', async () => {
    const script = join(folder, 'load.ts');
    await writeFile(
      script,
      `import { loadSigningKeys } from ${JSON.stringify(new URL('./signing-keys.ts', import.meta.url).href)};\n` +
        `process.send?.((await loadSigningKeys({ path: ${JSON.stringify(path)} })).kid);\nprocess.disconnect();\n`,
    );
    const kids = await Promise.all(
      Array.from(
        { length: 3 },
        () =>
          new Promise<unknown>((resolve, reject) => {
            const child = fork(script, { execArgv: [] });
            child.once('message', resolve).once('error', reject);
            child.once('exit', (code) => reject(new Error(`the process ended with ${code}, without keys`)));
          }),
      ),
    );
    expect(new Set(kids).size).toBe(1);
    expect(kids[0]).toBe((await loadSigningKeys({ path })).kid);
  });

  it('does not make keys at a path that the operator named', async () => {
    const named = signingKeysFile({ CERTIFICATE_KEYS: path, LASTRO_HOME: folder });
    await expect(loadSigningKeys(named)).rejects.toThrow(/found no file; mount it/);
    expect(signingKeysFile({ CERTIFICATE_KEYS: undefined, LASTRO_HOME: folder })).toEqual({
      path: join(folder, 'signing-keys.json'),
      createIfAbsent: true,
    });
  });

  it.each([
    ['half a file', (text: string) => text.slice(0, text.length / 2), /not JSON; restore/],
    ['an empty file', () => '', /found 0 characters/],
    ['another document', () => '{"a":1}', /\/keys: /],
    ['no keys', () => '{"keys":[]}', /at least one key/],
    ['a short private half', (text: string) => text.replace(/("d": ")./, '$1'), /\/keys\/0\/d: .*32 bytes/],
    [
      'a foreign private half',
      (text: string) => text.replace(/("d": ").{10}/, '$1AAAAAAAAAA'),
      /does not belong|not a usable/,
    ],
    ['a public key first', (text: string) => text.replace(/,\s*"d": ".*"/, ''), /private half \("d"\)/],
    ['an RSA key', (text: string) => text.replace('"OKP"', '"RSA"'), /\/keys\/0\/kty/],
  ])('refuses %s and says so without showing the key', async (_, damage, message) => {
    await loadSigningKeys({ path });
    const text = await readFile(path, 'utf8');
    await writeFile(path, damage(text));
    const error: unknown = await loadSigningKeys({ path }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
    expect(String(error)).toContain(path);
    expect(String(error)).not.toContain(String((JSON.parse(text) as { keys: { d: string }[] }).keys[0]?.d));
  });
});

describe('rotation', () => {
  it('signs with the new key, verifies with all, and forgets the private half of the old ones', async () => {
    const old = await loadSigningKeys({ path });
    const before = await signJws({ keys: old, type: 't' }, 'before');
    const rotated = await rotateSigningKeys(path);
    const after = await signJws({ keys: rotated, type: 't' }, 'after');
    const jwks = publicJwks(await loadSigningKeys({ path }));

    expect(jwks.keys.map((key) => key.kid)).toEqual([rotated.kid, old.kid]);
    expect(await verifyJws({ jwks, type: 't' }, before)).toEqual({
      valid: true,
      kid: old.kid,
      payload: 'before',
    });
    expect(await verifyJws({ jwks, type: 't' }, after)).toEqual({
      valid: true,
      kid: rotated.kid,
      payload: 'after',
    });
    expect((await stored()).keys.map((key) => 'd' in key)).toEqual([true, false]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('loses no key when two rotations meet: one of them is refused', async () => {
    await loadSigningKeys({ path });
    const settled = await Promise.allSettled([rotateSigningKeys(path), rotateSigningKeys(path)]);
    expect(settled.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await stored()).keys).toHaveLength(2);
    await rotateSigningKeys(path);
    expect((await stored()).keys).toHaveLength(3);
  });

  it('leaves a damaged file as it is', async () => {
    await loadSigningKeys({ path });
    await writeFile(path, 'damaged');
    await expect(rotateSigningKeys(path)).rejects.toThrow(/not JSON/);
    expect(await readFile(path, 'utf8')).toBe('damaged');
  });
});

describe('JWS', () => {
  it('signs the same text into the same bytes', async () => {
    const keys = await loadSigningKeys({ path });
    expect(await signJws({ keys, type: 't' }, 'text')).toBe(await signJws({ keys, type: 't' }, 'text'));
  });

  it('publishes no private member', async () => {
    const keys = await loadSigningKeys({ path });
    expect(JSON.stringify(publicJwks(keys))).not.toContain('"d"');
    expect(JSON.stringify(parsePublicJwks(await readFile(path, 'utf8'), path))).not.toContain('"d"');
  });

  it('says what is wrong with a JWS', async () => {
    const keys = await loadSigningKeys({ path });
    const other = await loadSigningKeys({ path: join(folder, 'other.json') });
    const jws = await signJws({ keys, type: 't' }, 'text');
    const [header, payload, signature] = jws.split('.');
    const check = async (text: string, jwks = publicJwks(keys)) => {
      const checked = await verifyJws({ jwks, type: 't' }, text);
      return checked.valid ? 'valid' : checked.code;
    };
    const unsigned = Buffer.from('{"alg":"none","typ":"t"}').toString('base64url');
    const withoutKid = Buffer.from('{"alg":"EdDSA","typ":"t"}').toString('base64url');

    expect(await check(jws)).toBe('valid');
    expect(await check(jws, publicJwks(other))).toBe('unknown_key');
    expect(await check(`${header}.${payload}x.${signature}`)).toBe('bad_signature');
    expect(await check(`${unsigned}.${payload}.`)).toBe('malformed');
    expect(await check(`${withoutKid}.${payload}.${signature}`)).toBe('unknown_key');
    expect(await check('not a JWS')).toBe('malformed');
    expect(await check(await signJws({ keys, type: 'seal' }, 'text'))).toBe('wrong_type');
  });
});
