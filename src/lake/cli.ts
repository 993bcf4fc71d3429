import type { RegisterCommands } from '../platform/cli.ts';
import { addLedgerCommand } from './ledger-command.ts';
import { addSqlCommand } from './sql-command.ts';
import { addTableCommand } from './table-command.ts';
import { addTablesCommand } from './tables-command.ts';

/** `lastro sql`, `tables`, `table` and `ledger`; each lives in a file of its own. */
export const register: RegisterCommands = (program, context) => {
  addSqlCommand(program, context);
  addTablesCommand(program, context);
  addTableCommand(program, context);
  addLedgerCommand(program, context);
};
