import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { CliContext, RegisterCommands } from '../platform/cli.ts';
import type { BackfillOptions, DiffOptions } from './change-commands.ts';
import type { RunCommandOptions } from './commands.ts';
import type { QuarantineFilter } from './quarantine-commands.ts';

/** The work is loaded only when a command is called; its code is kept compiled. */
const keepCompiled = (context: CliContext): void => {
  enableCompileCache(join(context.config().LASTRO_HOME, 'cache', 'node'));
};

const load = (context: CliContext): Promise<typeof import('./commands.ts')> => {
  keepCompiled(context);
  return import('./commands.ts');
};

const loadChanges = (context: CliContext): Promise<typeof import('./change-commands.ts')> => {
  keepCompiled(context);
  return import('./change-commands.ts');
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
  addPlan(pipeline, context);
  addRun(pipeline, context);
  addBackfill(pipeline, context);
  addStatus(pipeline, context);
  addDiff(pipeline, context);
  addRollback(pipeline, context);
  addQuarantine(pipeline, context);
  addLineage(pipeline, context);
  addNew(pipeline, context);
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
    .option('--layer <name>', 'only bronze and silver (silver), or only what gold has to follow (gold)')
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
    .action(async (names: string[], options: RunCommandOptions & { dryRun?: boolean }) =>
      options.dryRun
        ? (await loadChanges(context)).planCommand(context, names, options)
        : (await load(context)).runCommand(context, names, options),
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

const addPlan = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('plan')
    .description(
      'windows, calls and cost of a run; for a changed model the rows it would add, change and remove',
    )
    .argument('[names...]', 'pipelines; all where none is named')
    .option('--cadence <name>', 'only hourly, daily or full windows')
    .option('--refill', 'also holes that were made by hand or by a rollback')
    .option('--json', 'for machines: an array of objects')
    .action(async (names: string[], options: { cadence?: string; refill?: boolean; json?: boolean }) =>
      (await loadChanges(context)).planCommand(context, names, options),
    );
};

const addBackfill = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('backfill')
    .description('take a range (again): holes are filled, what is done is asked once more and merged')
    .argument('<name>')
    .requiredOption('--from <date>', 'its beginning')
    .requiredOption('--to <date>', 'its end, exclusive')
    .option('--cadence <name>', 'hourly or daily, where the pipeline has both')
    .option('--dry-run', 'show the windows')
    .option('--json', 'for machines: one object')
    .addHelpText(
      'after',
      `
Nothing is taken away before the new answers are merged: a backfill that fails leaves everything as it was.

Examples:
  lastro pipeline backfill bcb_sgs --from 2024-01-01 --to 2024-02-01 --dry-run
  lastro pipeline backfill bcb_sgs --from 2024-01-01 --to 2024-02-01`,
    )
    .action(async (name: string, options: BackfillOptions) =>
      (await loadChanges(context)).backfillCommand(context, name, options),
    );
};

const addDiff = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('diff')
    .description('rows added, changed and removed between two runs or snapshots of a table')
    .argument('<name>')
    .option('--from <run>', 'run or snapshot; default: the snapshot before the present one')
    .option('--to <run>', 'run or snapshot; default: the present one')
    .option('--gold <table>', 'a gold table of the pipeline in place of its silver')
    .option('--json', 'for machines: one object')
    .addHelpText(
      'after',
      `
Examples:
  lastro pipeline diff bcb_sgs
  lastro pipeline diff bcb_sgs --from att_01K… --gold selic_mensal`,
    )
    .action(async (name: string, options: DiffOptions) =>
      (await loadChanges(context)).diffCommand(context, name, options),
    );
};

const addRollback = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('rollback')
    .description('return silver to an earlier run, with its watermark; gold follows')
    .argument('<name>')
    .option('--to <run>', 'as it was after this run')
    .option('--before <run>', 'as it was before this run')
    .option('--json', 'for machines: one object')
    .addHelpText(
      'after',
      `
The windows of what is undone become holes that say so; \`lastro pipeline run NAME --refill\` takes them again.

Examples:
  lastro pipeline rollback bcb_sgs --before att_01K…`,
    )
    .action(async (name: string, options: { to?: string; before?: string; json?: boolean }) =>
      (await loadChanges(context)).rollbackCommand(context, name, options),
    );
};

type QuarantineOptions = QuarantineFilter & { show?: string; replay?: boolean; json?: boolean };

const addQuarantine = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('quarantine')
    .description('rows and values that broke the contract or a check: list, look at and replay them')
    .argument('<name>')
    .option('--reason <reason>', 'only with this reason')
    .option('--column <column>', 'only of this column')
    .option('--all', 'also those that a later run took')
    .option('--limit <count>', 'at most so many', count)
    .option('--show <id>', 'one of them, with the answer in bronze that it came in')
    .option('--replay', 'read everything again by the contract as it is now: what fits is taken, once')
    .option('--json', 'for machines: an array of objects')
    .addHelpText(
      'after',
      `
Examples:
  lastro pipeline quarantine bcb_ptax --reason tipo
  lastro pipeline quarantine bcb_ptax --show q_5f…
  lastro pipeline quarantine bcb_ptax --replay       after the contract was mended`,
    )
    .action(async (name: string, options: QuarantineOptions) => {
      keepCompiled(context);
      const commands = await import('./quarantine-commands.ts');
      if (options.show !== undefined) return commands.showQuarantinedCommand(context, name, options.show);
      if (options.replay) return commands.replayCommand(context, name, options);
      return commands.quarantineCommand(context, name, options);
    });
};

const addLineage = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('lineage')
    .description('where the columns of a pipeline, or of one table, come from')
    .argument('<name>', 'a pipeline, or a table such as gold.selic_mensal')
    .option('--openlineage', 'as OpenLineage events, one a line')
    .option('--json', 'for machines: an array of objects')
    .addHelpText(
      'after',
      `
Examples:
  lastro pipeline lineage bcb_sgs
  lastro pipeline lineage gold.selic_mensal --openlineage`,
    )
    .action(async (name: string, options: { json?: boolean; openlineage?: boolean }) => {
      keepCompiled(context);
      return (await import('./lineage-command.ts')).lineageCommand(context, name, options);
    });
};

const addNew = (pipeline: Command, context: CliContext): void => {
  pipeline
    .command('new')
    .description('write a commented example of a pipeline file')
    .argument('<name>', 'lower-case letters, digits and _')
    .option('--folder <path>', 'where; default: LASTRO_PIPELINES, else ./pipelines')
    .option('--print', 'to standard output, without writing')
    .action(async (name: string, options: { folder?: string; print?: boolean }) =>
      (await import('./new-command.ts')).newCommand(context, name, options),
    );
};
