import { access } from 'node:fs/promises';
import { type RegisterCommands, UserError } from '../platform/cli.ts';

/**
 * Loads a command group that the sandbox brings. By address, not by import: nothing in src/ knows the sandbox,
 * and an installation may leave it out.
 * @throws UserError where it is left out.
 */
export const loadSandboxCommands = async (file: string): Promise<{ register: RegisterCommands }> => {
  const address = new URL(`../../sandbox/${file}`, import.meta.url);
  await access(address).catch(() => {
    throw new UserError('this installation has no sandbox: the command works in a checkout only');
  });
  return (await import(address.href)) as { register: RegisterCommands };
};
