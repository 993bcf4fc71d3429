import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext, RegisterCommands } from '../platform/cli.ts';

/** Loads the work only when a command is called, and keeps its code compiled. */
const load = (context: CliContext): Promise<typeof import('./commands.ts')> => {
  enableCompileCache(join(context.config().LASTRO_HOME, 'cache', 'node'));
  return import('./commands.ts');
};

const json = ['--json', 'for machines: one object'] as const;

/** `lastro archive` */
export const register: RegisterCommands = (program, context) => {
  const archive = program
    .command('archive')
    .description('move old orders from DynamoDB to the lake, provably')
    .addHelpText(
      'after',
      `
Examples:
  lastro archive plan
  lastro archive run --older-than 6mo
  lastro archive run --area CRD01 --json
Exit codes: 0 done, 1 the run failed, a window could not be proven or another run holds the table, 2 a wrong call.`,
    );
  addRun(archive, context);
};

const addRun = (archive: Command, context: CliContext): void => {
  const selecting = (command: Command): Command =>
    command
      .option('--older-than <age>', 'age since the last update: 6mo, 1y, 90d (default: ARCHIVE_OLDER_THAN)')
      .option('--area <id>', 'only this area')
      .option(...json);
  selecting(archive.command('plan'))
    .description('show what a run would move: orders, bytes, objects, units and cost; changes nothing')
    .option('--read-price <dollars>', 'a million read units on demand')
    .option('--write-price <dollars>', 'a million write units on demand')
    .action(async (options) => (await load(context)).planCommand(context, options));
  selecting(archive.command('run'))
    .description('archive what is due: write, read back, prove, then remove')
    .option('--dry-run', 'the same as plan')
    .option(
      '--remove-after <hours>',
      'leave proven orders in DynamoDB so long (default: ARCHIVE_REMOVE_DELAY_HOURS)',
    )
    .action(async (options) => (await load(context)).runCommand(context, options));
};
