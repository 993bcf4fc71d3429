import type { Command } from 'commander';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import {
  loadSigningKeys,
  type PublicJwks,
  parsePublicJwks,
  publicJwks,
  signingKeysFile,
} from '../platform/signing-keys.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { readInput, readSource } from './command-source.ts';
import type { Difference } from './difference.ts';
import { type Verification, verify } from './verify.ts';
import { english } from './wording-en.ts';

type Options = { input: string; jwks?: string; json?: boolean };

/** Adds `quorum verify`: checks a certificate offline by deciding its input again. */
export const addVerifyCommand = (quorum: Command, context: CliContext): void => {
  quorum
    .command('verify')
    .description('Check a quorum certificate offline: its signature, then its decision, taken again.')
    .argument('<file>', 'the certificate (a compact JWS); "-" for standard input')
    .requiredOption('--input <file>', 'the input that the certificate decides; "-" for standard input')
    .option('--jwks <file>', "public keys to trust (default: this desk's own)")
    .option('--json', 'the result as JSON')
    .addHelpText('after', HELP)
    .action(async (file: string, options: Options) => {
      if (file === '-' && options.input === '-')
        throw new UserError('only one of the certificate and its input can come from standard input');
      const jws = await readSource(context, file);
      const input = await readInput(context, options.input);
      const result = await verify({ jwks: await trustedKeys(context, options.jwks) }, { jws, input });
      await write(context.stdout, options.json ? `${canonicalJson(result)}\n` : reportOf(result));
      if (result.status !== 'verified') process.exitCode = 1;
    });
};

const HELP = `
The JWKS of a desk is at its /.well-known/jwks.json. Nothing is asked over the network.

Exit codes: 0 the certificate is authentic and the decision is the same, 1 it is not authentic, the decision
differs or its engine is unknown, 2 a file was refused or could not be read.

Examples:
  lastro quorum verify certificate.jws --input case.json --jwks jwks.json
  lastro quorum verify - --input case.json < certificate.jws`;

/** Own keys are only looked up: keys that were made just now have signed nothing. */
const trustedKeys = async (context: CliContext, file: string | undefined): Promise<PublicJwks> => {
  if (file !== undefined) return parsePublicJwks(await readSource(context, file), file);
  const { path } = signingKeysFile(context.config());
  return publicJwks(await loadSigningKeys({ path, createIfAbsent: false }));
};

const shown = (difference: Difference, side: 'certificate' | 'decided'): string =>
  side in difference ? canonicalJson(difference[side]) : '(nothing)';

const reportOf = (result: Verification): string => {
  if (result.status === 'not_authentic') return `NOT AUTHENTIC (${result.code}): ${result.message}\n`;
  const { certificate, kid } = result;
  const about = [
    `order ${certificate.orderKey}, party ${certificate.party}, verdict ${certificate.output.verdict}`,
    `signed with key ${kid}; decided for ${certificate.decidedAt} by engine version ${certificate.engineVersion}`,
    certificate.stableUntil === null
      ? 'no date in the input begins or ends later'
      : `stable until ${certificate.stableUntil} (${english.instant(certificate.stableUntil)} in São Paulo)`,
  ];
  switch (result.status) {
    case 'verified':
      return `${['VERIFIED: the signature is good and the same input gives the same decision', ...about].join('\n  ')}\n`;
    case 'unknown_engine':
      return `${[`NOT VERIFIED: ${result.message}`, ...about].join('\n  ')}\n`;
    case 'different': {
      const differences = result.differences.map(
        (difference) =>
          `${difference.pointer}\n    certificate: ${shown(difference, 'certificate')}\n    decided now: ${shown(difference, 'decided')}`,
      );
      const sameInput = result.differences.every(({ pointer }) => pointer !== '/inputHash');
      const headline = sameInput
        ? 'DIFFERENT: the signature is good, but the same input gives another decision'
        : 'DIFFERENT: the signature is good, but this is not the input that the certificate decides';
      return `${[headline, ...about, ...differences].join('\n  ')}\n`;
    }
  }
};
