import type { RegisterCommands } from '../platform/cli.ts';
import { addDecideCommand } from './decide-command.ts';

/** `lastro quorum …`; each subcommand lives in a file of its own. */
export const register: RegisterCommands = (program, context) => {
  const quorum = program
    .command('quorum')
    .description('May these people, together, sign this act for this party?');
  addDecideCommand(quorum, context);
};
