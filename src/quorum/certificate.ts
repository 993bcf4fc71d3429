import { createHash } from 'node:crypto';
import { type PublicJwks, type SigningKeys, signJws, verifyJws } from '../platform/signing-keys.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { isCnpj } from '../shared/cpf-cnpj.ts';
import type { QuorumInput, QuorumOutput } from './contract.ts';

/** The `typ` of the JWS: what makes a certificate a certificate, and an audit seal not one. */
export const certificateType = 'vnd.lastro.quorum-certificate+jws';

/** An answer of a partner, as it was stored before it was used. */
export type EvidenceHash = { source: string; hash: string };

/** What a certificate states. `docs/quorum-certificate.md` explains each member. */
export type Certificate = {
  certificateVersion: 1;
  orderKey: string;
  /** Opaque id of the party for which the people sign. */
  party: string;
  /** The instant that the decision holds for: the input's `at`. */
  decidedAt: string;
  stableUntil: string | null;
  inputHash: string;
  engineVersion: string;
  rules: { id: string; version: number }[];
  evidence: EvidenceHash[];
  output: QuorumOutput;
};

export type CertificateFacts = {
  orderKey: string;
  party: string;
  /** The input as it was decided, and its decision. */
  input: QuorumInput;
  output: QuorumOutput;
  evidence: readonly EvidenceHash[];
};

/** A certificate would have carried a person's document. Nothing was signed. */
export class PersonalDataError extends Error {
  constructor(pointer: string, kind: 'CPF' | 'CNPJ') {
    // The text itself is left out: this message goes to logs.
    super(
      `expected opaque ids in a quorum certificate, found what reads as a ${kind} at ${pointer}; nothing was signed`,
    );
    this.name = 'PersonalDataError';
  }
}

/** RFC 8785 form, hashed as the contract's `inputHash` and as evidence hashes are. */
const hashOf = (value: unknown): string =>
  `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`;

/**
 * The certificate of a decision, not yet signed. Everything that input and output already say is taken from
 * them, so that a caller cannot certify one decision with the facts of another.
 * @throws Error when the output is not a decision of this input.
 */
export const certificateOf = ({
  orderKey,
  party,
  input,
  output,
  evidence,
}: CertificateFacts): Certificate => {
  const inputHash = hashOf(input);
  if (inputHash !== output.inputHash)
    throw new Error(
      `expected the decision of the input ${inputHash}, found the decision of ${output.inputHash}`,
    );
  const wrongHash = evidence.find(({ hash }) => !/^sha256:[0-9a-f]{64}$/.test(hash));
  if (wrongHash)
    throw new Error(`expected "sha256:" and 64 hexadecimal digits as evidence hash of ${wrongHash.source}`);
  return {
    certificateVersion: 1,
    orderKey,
    party,
    decidedAt: input.at,
    stableUntil: output.stableUntil,
    inputHash,
    engineVersion: output.engineVersion,
    rules: input.rules.map(({ id, version }) => ({ id, version })),
    evidence: evidence.map(({ source, hash }) => ({ source, hash })),
    output,
  };
};

/**
 * Signs the certificate of a decision (comprovante de quórum): a compact JWS over its RFC 8785 form. The same
 * facts and keys give the same text, so a job that runs twice certifies once.
 * @throws PersonalDataError when an id is a CPF or a CNPJ, Error when the output is not a decision of the input.
 */
export const signCertificate = async (
  { keys }: { keys: SigningKeys },
  facts: CertificateFacts,
): Promise<string> => {
  const certificate = certificateOf(facts);
  refusePersonalData(certificate);
  return signJws({ keys, type: certificateType }, canonicalJson(certificate));
};

export type VerifiedCertificate =
  | { valid: true; kid: string; certificate: Certificate }
  | {
      valid: false;
      code: 'malformed' | 'wrong_type' | 'unknown_key' | 'bad_signature' | 'unknown_format';
      message: string;
    };

/**
 * Checks who signed a certificate and that nothing in it was changed. It does not decide again: `verify` does.
 * A certificate that does not verify is an answer, not an error.
 */
export const verifyCertificate = async (
  { jwks }: { jwks: PublicJwks },
  jws: string,
): Promise<VerifiedCertificate> => {
  const verified = await verifyJws({ jwks, type: certificateType }, jws.trim());
  if (!verified.valid) return verified;
  // The signature was ours: what follows can only be a certificate of another version of this program.
  const certificate = readCertificate(verified.payload);
  return certificate === undefined
    ? {
        valid: false,
        code: 'unknown_format',
        message: 'the signature is good, but the content is not a certificate of version 1 in canonical JSON',
      }
    : { valid: true, kid: verified.kid, certificate };
};

const readCertificate = (payload: string): Certificate | undefined => {
  try {
    const value: unknown = JSON.parse(payload);
    if (typeof value !== 'object' || value === null) return undefined;
    if (!('certificateVersion' in value) || value.certificateVersion !== 1) return undefined;
    // Two members of one name, or any other spelling of the same content, is nothing that we sign.
    return canonicalJson(value) === payload ? (value as Certificate) : undefined;
  } catch {
    return undefined;
  }
};

// A document as a word of its own, bare or punctuated. Bare digits are refused by their shape alone, whatever
// their check digits: no opaque id is made of exactly eleven or fourteen digits. With letters (the CNPJ since
// 2026), the shape alone would refuse one in so many honest ids, so the check digits must hold as well.
const bare = /(?<![0-9A-Za-z])(?:\d{11}|[0-9A-Za-z]{12}\d{2})(?![0-9A-Za-z])/g;
const cpfForms = /(?<![0-9A-Za-z])(?:\d{3}\.\d{3}\.\d{3}-?\d{2}|\d{9}-\d{2})(?![0-9A-Za-z])/;
const cnpjForms =
  /(?<![0-9A-Za-z])[0-9A-Za-z]{2}\.[0-9A-Za-z]{3}\.[0-9A-Za-z]{3}\/?[0-9A-Za-z]{4}-?\d{2}(?![0-9A-Za-z])/;

const documentIn = (text: string): 'CPF' | 'CNPJ' | undefined => {
  if (cpfForms.test(text)) return 'CPF';
  if (cnpjForms.test(text)) return 'CNPJ';
  for (const [word] of text.matchAll(bare)) {
    if (word.length === 11) return 'CPF';
    if (/^\d+$/.test(word) || isCnpj(word.toUpperCase())) return 'CNPJ';
  }
  return undefined;
};

/** Instants are the only texts whose digits are not an id: a long fraction of a second reads as a document. */
const notIds = new Set(['/decidedAt', '/stableUntil', '/output/stableUntil']);

const refusePersonalData = (value: unknown, pointer = ''): void => {
  if (typeof value === 'string') {
    const found = notIds.has(pointer) ? undefined : documentIn(value);
    if (found) throw new PersonalDataError(pointer, found);
  } else if (Array.isArray(value)) {
    value.forEach((item: unknown, index) => {
      refusePersonalData(item, `${pointer}/${index}`);
    });
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) refusePersonalData(member, `${pointer}/${key}`);
  }
};
