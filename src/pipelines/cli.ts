import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { CliContext, RegisterCommands } from '../platform/cli.ts';
import type { RunCommandOptions } from './commands.ts';

/** Loads the work only when a command is called, and keeps its code compiled. */
const load = (context: CliContext): Promise<typeof import('./commands.ts')> => {
  enableCompileCache(join(context.config().LASTRO_HOME, 'cache', 'node'));
  return import('./commands.ts');
};

const count = (text: string): number => {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('expected a whole number from 1.');
  return number;
};

/** `lastro pipeline` */
export const register: RegisterCommands = (program, context) => {
  program.enablePositionalOptions();
  const pipeline = program
    .command('pipeline')
    .enablePositionalOptions()
    .description('external APIs to bronze, silver and gold tables: nothing lost, holes visible')
    .addHelpText(
      'after',
      `
Examples:
  lastro pipeline list                        what is declared
  lastro pipeline plan bcb_sgs                what a run would do, and what a changed model would change
  lastro pipeline run bcb_sgs                 do it
  lastro pipeline run --all --json            all of them, for a scheduler
  lastro pipeline status --check              exit with 1 where something is missing or stale
  lastro pipeline new my_source               write a commented example
Exit codes: 0 done, 1 a run failed or the answer is no, 2 a wrong call.`,
    );
  addList(pipeline, context);
  addRun(pipeline, context);
  addStatus(pipeline, context);
};

const addList = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('list')
    .description('what is declared, here and in LASTRO_PIPELINES')
    .option('--json', 'for machines: an array of objects')
    .action(async (options: { json?: boolean }) => (await load(context)).listCommand(context, options));
};

const addRun = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('run')
    .description('take what is due into bronze, silver and gold')
    .argument('[names...]', 'pipelines; or --all')
    .option('--all', 'every pipeline')
    .option('--cadence <name>', 'only hourly, daily or full windows')
    .option('--refill', 'also holes that were made by hand or by a rollback')
    .option('--rebuild', 'make silver anew from bronze')
    .option('--limit <count>', 'at most so many windows of each', count)
    .option('--parallel <count>', 'pipelines at once', count, 2)
    .option('--dry-run', 'show what a run would do, as `plan` does')
    .option('--json', 'for machines: an array of objects')
    .addHelpText(
      'after',
      `
Examples:
  lastro pipeline run bcb_sgs
  lastro pipeline run bcb_sgs bcb_ptax --json
  lastro pipeline run --all --cadence hourly`,
    )
    .action(async (names: string[], options: RunCommandOptions) =>
      (await load(context)).runCommand(context, names, options),
    );
};

const addStatus = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('status')
    .description('watermarks, holes, freshness, quarantine and the last runs')
    .argument('[names...]', 'pipelines; all where none is named')
    .option('--check', 'exit with 1 where something failed, is missing or is stale')
    .option('--json', 'for machines: an array of objects')
    .action(async (names: string[], options: { check?: boolean; json?: boolean }) =>
      (await load(context)).statusCommand(context, names, options),
    );
};
