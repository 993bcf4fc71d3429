import type { RegisterCommands } from '../platform/cli.ts';
import { addDecideCommand } from './decide-command.ts';
import { addExplainCommand } from './explain-command.ts';
import { addKeysCommand } from './keys-command.ts';
import { addLintCommand } from './lint-command.ts';
import { addReplayCommand } from './replay-command.ts';
import { addVerifyCommand } from './verify-command.ts';

/** `lastro quorum …`; each subcommand lives in a file of its own. */
export const register: RegisterCommands = (program, context) => {
  const quorum = program
    .command('quorum')
    .description('May these people, together, sign this act for this party?');
  addDecideCommand(quorum, context);
  addExplainCommand(quorum, context);
  addLintCommand(quorum, context);
  addVerifyCommand(quorum, context);
  addReplayCommand(quorum, context);
  addKeysCommand(quorum, context);
};
