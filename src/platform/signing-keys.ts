import { createPrivateKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  calculateJwkThumbprint,
  compactVerify,
  createLocalJWKSet,
  errors,
  exportJWK,
  generateKeyPair,
} from 'jose';
import { z } from 'zod';
import { UserError } from './cli.ts';
import type { Config } from './config.ts';

// Ed25519 (RFC 8037) and not ES256: its signatures are deterministic, so a job that is retried signs the
// same facts into the same bytes and its result can be compared and de-duplicated; and signing needs no
// randomness that could fail. `EdDSA` and not `Ed25519` (RFC 9864) in `alg`: more verifiers know it.
const algorithm = 'EdDSA';

const base64Url32 = z.base64url().length(43, { error: 'expected 32 bytes in base64url (43 characters)' });

const publicShape = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: base64Url32,
  kid: z.string().min(1).max(200),
  alg: z.literal(algorithm).default(algorithm),
  use: z.literal('sig').default('sig'),
  /** When the key was made, in seconds since 1970 (the name that OpenID Federation gives it). */
  iat: z.int().nonnegative().optional(),
});
const privateShape = publicShape.extend({ d: base64Url32.optional() });

export type PublicJwk = z.output<typeof publicShape>;
type StoredJwk = z.output<typeof privateShape>;

/** A JWK Set (RFC 7517) of public keys. */
export type PublicJwks = { readonly keys: readonly PublicJwk[] };

/** The first key of the file signs; all of them verify. */
export type SigningKeys = {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwks: PublicJwks;
};

/** Where the keys are, and whether they may be made there when the file is absent. */
export type KeysFile = { readonly path: string; readonly createIfAbsent?: boolean };

/**
 * The file of a configuration. Keys are made only in `LASTRO_HOME`: where an operator names a file, its
 * absence is a secret that was not mounted, and making keys would let every replica sign with its own.
 */
export const signingKeysFile = (config: Pick<Config, 'CERTIFICATE_KEYS' | 'LASTRO_HOME'>): KeysFile =>
  config.CERTIFICATE_KEYS === undefined
    ? { path: join(config.LASTRO_HOME, 'signing-keys.json'), createIfAbsent: true }
    : { path: config.CERTIFICATE_KEYS, createIfAbsent: false };

/** The public half of the keys, for `/.well-known/jwks.json` and for whoever verifies offline. */
export const publicJwks = (keys: SigningKeys): PublicJwks => keys.jwks;

const withoutPrivateHalf = ({ d: _, ...publicHalf }: StoredJwk): PublicJwk => publicHalf;

const parseJson = (text: string, path: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text around the mistake, which here may be a private key.
    throw new UserError(
      `${path}: expected a JWK Set in JSON, found ${text.length} characters that are not JSON; restore the file from its backup`,
    );
  }
};

const parseKeySet = <Shape extends z.ZodType<PublicJwk>>(
  text: string,
  path: string,
  shape: Shape,
): z.output<Shape>[] => {
  const schema = z.object({ keys: z.array(shape).min(1, { error: 'expected at least one key' }) });
  const parsed = schema.safeParse(parseJson(text, path));
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `  /${issue.path.join('/')}: ${issue.message}`);
    throw new UserError(
      `${path}: expected a JWK Set of Ed25519 keys, found mistakes in it:\n${lines.join('\n')}`,
    );
  }
  const kids = parsed.data.keys.map((key) => key.kid);
  const repeated = kids.find((kid, index) => kids.indexOf(kid) !== index);
  if (repeated !== undefined)
    throw new UserError(
      `${path}: expected different "kid"s, found "${repeated}" twice; remove one of the two keys`,
    );
  return parsed.data.keys;
};

/**
 * Parses a JWK Set of public keys, as a bank's `/.well-known/jwks.json` gives it. Private members are dropped.
 * @throws UserError naming the file and each mistake.
 */
export const parsePublicJwks = (text: string, path: string): PublicJwks => ({
  keys: parseKeySet(text, path, publicShape),
});

const importKeys = async (stored: readonly StoredJwk[], path: string): Promise<SigningKeys> => {
  const [first] = stored;
  if (first?.d === undefined)
    throw new UserError(
      `${path}: expected the private half ("d") in the first key, which signs; found only its public half`,
    );
  const privateKey = readPrivateKey(first);
  if (privateKey === undefined)
    throw new UserError(
      `${path}: the first key is not a usable Ed25519 key; restore the file from its backup`,
    );
  const keys: SigningKeys = {
    kid: first.kid,
    privateKey,
    jwks: { keys: stored.map(withoutPrivateHalf) },
  };
  // A private half that does not belong to the public one would sign what nobody can verify.
  const probe = await signJws({ keys, type: 'probe' }, 'probe');
  if (!(await verifyJws({ jwks: keys.jwks, type: 'probe' }, probe)).valid)
    throw new UserError(
      `${path}: in the first key "d" does not belong to "x"; restore the file from its backup`,
    );
  return keys;
};

const readPrivateKey = ({ kty, crv, x, d = '' }: StoredJwk): KeyObject | undefined => {
  try {
    return createPrivateKey({ key: { kty, crv, x, d }, format: 'jwk' });
  } catch {
    return undefined;
  }
};

const makeKey = async (now: Date): Promise<StoredJwk> => {
  const { privateKey } = await generateKeyPair(algorithm, { crv: 'Ed25519', extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  return privateShape.parse({ ...jwk, kid, iat: Math.floor(now.getTime() / 1000) });
};

/** Writes a whole, synced file under another name beside `path`; the caller gives it its name in one step. */
const writeBeside = async (path: string, stored: readonly StoredJwk[]): Promise<string> => {
  const beside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ keys: stored }, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return beside;
};

const syncFolder = async (path: string): Promise<void> => {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

const readKeys = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new UserError(`${path}: the signing keys cannot be read (${codeOf(error) ?? String(error)})`);
  }
};

const createKeys = async (path: string, now: Date): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = await writeBeside(path, [await makeKey(now)]);
  try {
    // A link fails where the name exists, and a rename would replace it: of two processes that start at
    // once the second must find the first one's keys, which may have signed already.
    await link(beside, path);
    await syncFolder(path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await unlink(beside);
  }
};

/**
 * Loads the keys that sign certificates and audit seals from a private JWK Set, `{ "keys": [...] }`.
 * An absent file is made, with mode 0600, unless `createIfAbsent` is false; processes that start at the same
 * moment end with the same keys.
 * @throws UserError when the file is absent and may not be made, cannot be read, or is damaged.
 */
export const loadSigningKeys = async (
  { path, createIfAbsent = true }: KeysFile,
  now = new Date(),
): Promise<SigningKeys> => {
  let text = await readKeys(path);
  if (text === undefined && createIfAbsent) {
    await createKeys(path, now);
    text = await readKeys(path);
  }
  if (text === undefined)
    throw new UserError(
      `${path}: expected the private JWK Set that signs certificates, found no file; mount it, or unset CERTIFICATE_KEYS to have keys made in LASTRO_HOME`,
    );
  return importKeys(parseKeySet(text, path, privateShape), path);
};

/**
 * Puts a new key first in the file: it signs from now on. The older keys stay and verify, without their private
 * half: a retired key can never sign again. Processes that run keep the keys they loaded until they load again.
 * @returns the new keys.
 * @throws UserError when the file is absent or damaged, or another rotation holds its lock file.
 */
export const rotateSigningKeys = async (path: string, now = new Date()): Promise<SigningKeys> => {
  const lock = `${path}.lock`;
  try {
    await (await open(lock, 'wx', 0o600)).close();
  } catch (error) {
    if (codeOf(error) === 'EEXIST')
      throw new UserError(
        `${lock} exists: another rotation is running; if none is, remove that file and try again`,
        1,
      );
    throw new UserError(`${path}: the keys cannot be rotated (${codeOf(error) ?? String(error)})`);
  }
  try {
    const text = await readKeys(path);
    if (text === undefined) throw new UserError(`${path}: expected signing keys to rotate, found no file`);
    const stored = parseKeySet(text, path, privateShape);
    await importKeys(stored, path);
    const next: StoredJwk[] = [await makeKey(now), ...stored.map(withoutPrivateHalf)];
    await rename(await writeBeside(path, next), path);
    await syncFolder(path);
    return await importKeys(next, path);
  } finally {
    await unlink(lock);
  }
};

/**
 * Signs a text as a compact JWS (RFC 7515). `type` goes into the protected header as `typ`, so that what was
 * signed for one use (an audit seal) is never taken for another (a certificate).
 */
export const signJws = async (
  { keys, type }: { keys: SigningKeys; type: string },
  payload: string,
): Promise<string> => {
  const header = JSON.stringify({ alg: algorithm, kid: keys.kid, typ: type });
  const signed = `${base64Url(header)}.${base64Url(payload)}`;
  // Not by jose, which verifies: WebCrypto signs in another thread, and going there costs twice the signature.
  return `${signed}.${sign(null, Buffer.from(signed), keys.privateKey).toString('base64url')}`;
};

const base64Url = (text: string): string => Buffer.from(text).toString('base64url');

export type VerifiedJws =
  | { valid: true; kid: string; payload: string }
  | { valid: false; code: 'malformed' | 'wrong_type' | 'unknown_key' | 'bad_signature'; message: string };

const invalid = (code: Extract<VerifiedJws, { valid: false }>['code'], message: string): VerifiedJws => ({
  valid: false,
  code,
  message,
});

/** Checks a compact JWS that `signJws` made against public keys. A JWS that does not verify is an answer, not an error. */
export const verifyJws = async (
  { jwks, type }: { jwks: PublicJwks; type: string },
  jws: string,
): Promise<VerifiedJws> => {
  const keySet = createLocalJWKSet({ keys: [...jwks.keys] });
  try {
    const { payload, protectedHeader } = await compactVerify(
      jws,
      (header, token) => {
        // A set of one key would match a token without "kid"; ours always carries it.
        if (header.kid === undefined) throw new errors.JWKSNoMatchingKey();
        return keySet(header, token);
      },
      { algorithms: [algorithm] },
    );
    if (protectedHeader.typ !== type)
      return invalid(
        'wrong_type',
        `expected a JWS of type "${type}", found "${String(protectedHeader.typ)}"`,
      );
    return {
      valid: true,
      kid: String(protectedHeader.kid),
      payload: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload),
    };
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey)
      return invalid(
        'unknown_key',
        `none of the ${jwks.keys.length} public keys given is the one that signed (known: ${jwks.keys.map((key) => key.kid).join(', ')})`,
      );
    if (error instanceof errors.JWSSignatureVerificationFailed)
      return invalid(
        'bad_signature',
        'the signature does not belong to this content: it was changed after it was signed',
      );
    if (error instanceof errors.JOSEError || error instanceof TypeError)
      return invalid(
        'malformed',
        `expected a compact JWS signed with ${algorithm}, found something else (${error.message})`,
      );
    throw error;
  }
};
