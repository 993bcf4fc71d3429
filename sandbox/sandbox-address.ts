import type { CliContext } from '../src/platform/cli.ts';

/** Where `lastro up` puts the sandbox of this environment. */
export const sandboxAddress = (context: CliContext): string =>
  `http://127.0.0.1:${context.config().LASTRO_SANDBOX_PORT}`;
