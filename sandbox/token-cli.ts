import { type RegisterCommands, UserError, write } from '../src/platform/cli.ts';
import { finalClientScopes } from './final-client.ts';
import { sandboxAddress } from './sandbox-address.ts';
import { mintToken, TokenRefused } from './token.ts';

const examples = `
Examples:
  $ npx lastro token --area CRD01 --scope "orders:write orders:read"
  $ npx lastro token --client 12ABC34501DE35
  $ curl -H "Authorization: Bearer $(npx lastro token --area CRD01)" http://127.0.0.1:8080/v1/orders?areaId=CRD01`;

type Options = { area?: string; client?: string; scope?: string; issuer?: string; json?: boolean };

/** `lastro token`: a bearer token from the sandbox's issuer. */
export const register: RegisterCommands = (program, context) => {
  program
    .command('token')
    .description('print a bearer token of the local issuer (the sandbox must be running)')
    .option('--area <id>', 'area that the token may act for (default: "CRD01")')
    .option(
      '--client <documents>',
      "or: the bank's client that it speaks for, a CPF or a CNPJ, several by commas",
    )
    .option(
      '--scope <scopes>',
      'scopes, separated by spaces (default: "orders:read orders:write", of a client "reports:read reports:write")',
    )
    .option('--issuer <url>', 'issuer to ask; default: the sandbox of this environment')
    .option('--json', 'print token, lifetime, scopes and client as JSON')
    .addHelpText('after', examples)
    .action(async ({ area, client, scope, issuer, json }: Options) => {
      if (area !== undefined && client !== undefined)
        throw new UserError('expected --area or --client, found both: a client of the bank has no area');
      const foreign = context.config().OIDC_ISSUER;
      if (issuer === undefined && foreign !== undefined) {
        throw new UserError(
          `expected the sandbox's issuer, found OIDC_ISSUER=${foreign}: get tokens from that one, or pass --issuer`,
        );
      }
      const minted = await mintToken({
        issuer: issuer ?? `${sandboxAddress(context)}/oidc`,
        ...(client === undefined ? { area: area ?? 'CRD01' } : { client }),
        scope: scope ?? (client === undefined ? 'orders:read orders:write' : finalClientScopes.join(' ')),
      }).catch((error: unknown) => {
        if (!(error instanceof TokenRefused)) throw error;
        throw new UserError(error.message, error.kind === 'not_running' ? 1 : 2);
      });
      await write(context.stdout, `${json ? JSON.stringify(minted) : minted.token}\n`);
    });
};
