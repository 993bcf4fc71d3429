import type { PublicJwks } from '../platform/signing-keys.ts';
import {
  type Certificate,
  certificateOf,
  type VerifiedCertificate,
  verifyCertificate,
} from './certificate.ts';
import type { QuorumInput } from './contract.ts';
import { type Difference, differencesOf } from './difference.ts';
import { engineOf, engineVersions } from './engines.ts';

/** What became of a certificate that was checked. Only `verified` is a "yes". */
export type Verification =
  | { status: 'verified'; kid: string; certificate: Certificate }
  | { status: 'different'; kid: string; certificate: Certificate; differences: Difference[] }
  | { status: 'unknown_engine'; kid: string; certificate: Certificate; message: string }
  | {
      status: 'not_authentic';
      code: Extract<VerifiedCertificate, { valid: false }>['code'];
      message: string;
    };

/**
 * Checks a certificate against the input that it claims to decide: the signature, then the decision, taken
 * again by the engine that the certificate names. Offline and pure but for the cryptography.
 *
 * The order key, the party and the evidence hashes are vouched for by the signature alone: the input does not
 * contain them.
 */
export const verify = async (
  { jwks }: { jwks: PublicJwks },
  { jws, input }: { jws: string; input: QuorumInput },
): Promise<Verification> => {
  const verified = await verifyCertificate({ jwks }, jws);
  if (!verified.valid) return { status: 'not_authentic', code: verified.code, message: verified.message };
  const { kid, certificate } = verified;
  const decideAgain = engineOf(certificate.engineVersion);
  if (!decideAgain)
    return {
      status: 'unknown_engine',
      kid,
      certificate,
      message: `the signature is good, but the decision was made by engine version "${certificate.engineVersion}" and this program has ${engineVersions.map((version) => `"${version}"`).join(', ')}; verify it with a newer program`,
    };
  const { orderKey, party, evidence } = certificate;
  const decided = certificateOf({ orderKey, party, evidence, input, output: decideAgain(input) });
  const differences = differencesOf(certificate, decided);
  return differences.length === 0
    ? { status: 'verified', kid, certificate }
    : { status: 'different', kid, certificate, differences };
};
