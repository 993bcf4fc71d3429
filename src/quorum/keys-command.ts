import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { type CliContext, write } from '../platform/cli.ts';
import {
  loadSigningKeys,
  type PublicJwk,
  publicJwks,
  rotateSigningKeys,
  signingKeysFile,
} from '../platform/signing-keys.ts';

/** Adds `quorum keys list` and `quorum keys rotate`: the keys that sign certificates and audit seals. */
export const addKeysCommand = (quorum: Command, context: CliContext): void => {
  const keys = quorum.command('keys').description('The keys that sign certificates and audit seals.');
  keys
    .command('list')
    .description('List the keys; the first one signs, all of them verify.')
    .option('--json', 'the public keys as a JWK Set, as /.well-known/jwks.json gives it')
    .addHelpText('after', '\nExample:\n  lastro quorum keys list --json > jwks.json')
    .action(async ({ json }: { json?: boolean }) => {
      const file = signingKeysFile(context.config());
      const jwks = publicJwks(await loadSigningKeys(file));
      await warnOfMode(context, file.path);
      await write(context.stdout, json ? `${JSON.stringify(jwks)}\n` : jwks.keys.map(lineOf).join(''));
    });
  keys
    .command('rotate')
    .description('Make a new key that signs from now on; the older ones go on verifying.')
    .option('--json', 'the public keys after the rotation, as a JWK Set')
    .addHelpText('after', ROTATE_HELP)
    .action(async ({ json }: { json?: boolean }) => {
      const { path } = signingKeysFile(context.config());
      const jwks = publicJwks(await rotateSigningKeys(path));
      await write(context.stdout, json ? `${JSON.stringify(jwks)}\n` : jwks.keys.map(lineOf).join(''));
    });
};

const ROTATE_HELP = `
The private half of the older keys is removed from the file: they can verify, never sign again. Processes
that run sign with the key they loaded until they are started again.

Example:
  lastro quorum keys rotate`;

const lineOf = ({ kid, alg, iat }: PublicJwk, index: number): string =>
  `${kid}  ${alg}  ${iat === undefined ? 'age unknown' : `made ${new Date(iat * 1000).toISOString()}`}  ${index === 0 ? 'signs' : 'verifies'}\n`;

const warnOfMode = async ({ stderr }: CliContext, path: string): Promise<void> => {
  const mode = (await stat(path)).mode & 0o077;
  if (mode !== 0)
    await write(stderr, `lastro: others on this machine can read ${path}; set its mode to 0600\n`);
};
