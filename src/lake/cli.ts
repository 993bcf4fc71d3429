import type { RegisterCommands } from '../platform/cli.ts';
import { addLedgerCommand } from './ledger-command.ts';

/** `lastro sql`, `tables`, `table` and `ledger`; each lives in a file of its own. */
export const register: RegisterCommands = (program, context) => {
  addLedgerCommand(program, context);
};
