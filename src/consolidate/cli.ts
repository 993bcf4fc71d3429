import { type Command, InvalidArgumentError } from 'commander';
import type { CliContext, RegisterCommands } from '../platform/cli.ts';
import type { RunOptions } from './command-options.ts';
import type { QuarantineOptions } from './commands.ts';
import type { ScheduleOptions } from './schedule-commands.ts';

/** `lastro consolidate` and `lastro quarantine`. */
export const register: RegisterCommands = (program, context) => {
  addConsolidate(program, context);
  addQuarantine(program, context);
};

/** Loads the work only when a command is called. */
const load = (): Promise<typeof import('./commands.ts')> => import('./commands.ts');

const positive = (text: string): number => {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError('expected a number above 0.');
  return number;
};

const tableOption = '--table <namespace.name>';

/** What a run and a schedule of runs can be told alike. */
const runOptions = (command: Command): Command =>
  command
    .option(tableOption, 'table that gets the documents; made if it is not there')
    .option('--partition <columns>', 'partition of a new table: day(ingested_at), topic, kafka_partition, …')
    .option('--json', 'for machines: one object')
    .option('--domains <folder>', 'SQL models to refresh from the events')
    .option('--wait-mb <megabytes>', 'leave less than this for a later run …', positive)
    .option('--wait-minutes <minutes>', '… unless it is older than this', positive, 60)
    .option('--batch-mb <megabytes>', 'most input of one commit', positive)
    .option('--max-memory-mb <megabytes>', 'most memory of the process', positive)
    .option('--max-batch-seconds <seconds>', 'most time of one batch', positive);

const addConsolidate = (program: Command, context: CliContext): void => {
  const command = runOptions(program.command('consolidate'))
    .description('take many small JSON files into an Iceberg table: nothing lost, nothing twice')
    .argument('[source]', 'a directory, or s3://bucket/prefix')
    .option('--dry-run', 'show what a run would do')
    .option('--every <minutes>', 'run again and again until stopped', positive)
    .addHelpText(
      'after',
      `
Examples:
  lastro consolidate ./kconnect --table kconnect.events --dry-run
  lastro consolidate s3://kconnect/topics --table kconnect.events --json
  lastro consolidate ./kconnect --table kconnect.events --domains ./domains --every 5
  lastro consolidate schedule add s3://kconnect/topics --table kconnect.events --cron "*/5 * * * *"
  lastro consolidate runs
  lastro consolidate feedback
  lastro consolidate rollback run_01K…
Exit codes: 0 done, 1 the run failed or another one holds the table, 2 a wrong call.`,
    )
    .action(async (source: string | undefined, options: RunOptions) =>
      (await import('./consolidate-command.ts')).consolidateCommand(context, source, options),
    );
  addRuns(command, context);
  addSchedules(command, context);
};

const addSchedules = (command: Command, context: CliContext): void => {
  const loadSchedules = (): Promise<typeof import('./schedule-commands.ts')> =>
    import('./schedule-commands.ts');
  const schedule = command
    .command('schedule')
    .description('sources that the workers consolidate by themselves')
    .addHelpText(
      'after',
      `
A worker (lastro up, lastro worker) runs each round in a process of its own; rounds of one table never overlap.
Examples:
  lastro consolidate schedule add s3://kconnect/topics --table kconnect.events --cron "*/5 * * * *"
  lastro consolidate schedule add ./kconnect --table kconnect.events --cron "30 2 * * *" --domains ./domains
  lastro consolidate schedule list
  lastro consolidate schedule remove --table kconnect.events`,
    );
  runOptions(schedule.command('add'))
    .description('declare a source, or change what is declared for its table')
    .argument('<source>', 'a directory, or s3://bucket/prefix')
    .option('--cron <expression>', 'when, in UTC: minute, hour, day, month, day of the week')
    .action(async (source: string, _: unknown, child: Command) =>
      (await loadSchedules()).addScheduleCommand(context, source, child.optsWithGlobals<ScheduleOptions>()),
    );
  schedule
    .command('list')
    .description('what is declared, and how its last run went')
    .option('--json', 'for machines: an array of objects')
    .action(async (_: unknown, child: Command) =>
      (await loadSchedules()).listSchedulesCommand(context, child.optsWithGlobals()),
    );
  schedule
    .command('remove')
    .description('declare a source no more')
    .option(tableOption, 'its table')
    .action(async (_: unknown, child: Command) =>
      (await loadSchedules()).removeScheduleCommand(context, child.optsWithGlobals()),
    );
};

const addRuns = (command: Command, context: CliContext): void => {
  command
    .command('runs')
    .description('list the runs, newest first')
    .option(tableOption, 'only of this table')
    .option('--json', 'for machines: an array of objects')
    .action(async (_: unknown, child: Command) =>
      (await load()).runsCommand(context, child.optsWithGlobals()),
    );
  command
    .command('rollback')
    .description("undo a run: its events, quarantine, domains' rows and ledger, in one commit")
    .argument('<run>', 'id of the run')
    .option('--domains <folder>', 'SQL models to recompute without the run')
    .option('--json', 'for machines: one object')
    .action(async (runId: string, _: unknown, child: Command) =>
      (await load()).rollbackCommand(context, runId, child.optsWithGlobals()),
    );
  command
    .command('feedback')
    .description('send the feedback to Kafka that is still owed')
    .option('--domains <folder>', 'SQL models whose schemas check the changed records')
    .action(async (_: unknown, child: Command) =>
      (await load()).feedbackCommand(context, child.optsWithGlobals()),
    );
};

const addQuarantine = (program: Command, context: CliContext): void => {
  const quarantine = program
    .command('quarantine')
    .description('what consolidation could not read: list, look at and replay it')
    .addHelpText(
      'after',
      `
Examples:
  lastro quarantine list --table kconnect.events --reason duplicate_key
  lastro quarantine show q_1f… --table kconnect.events > bad.json
  lastro quarantine replay --table kconnect.events --reason too_large
  lastro quarantine replay --table kconnect.events --id q_1f… --file mended.json`,
    );
  const filtered = (command: Command): Command =>
    command
      .requiredOption(tableOption, 'table of the events')
      .option(
        '--reason <reason>',
        'malformed, truncated, duplicate_key, too_deep, too_large, empty, bom, bad_utf8, bad_gzip',
      )
      .option('--key <key>', 'key of the object within its source')
      .option('--run <run>', 'id of the run')
      .option('--json', 'for machines');
  filtered(quarantine.command('list', { isDefault: true }))
    .description('list it, oldest first')
    .option('--limit <count>', 'at most so many', positive)
    .action(async (options: QuarantineOptions) => (await load()).listCommand(context, options));
  quarantine
    .command('show')
    .description('print the bytes of one piece as they were; what is known of it goes to standard error')
    .argument('<id>')
    .requiredOption(tableOption, 'table of the events')
    .action(async (id: string, options: QuarantineOptions) =>
      (await load()).showCommand(context, id, options),
    );
  filtered(quarantine.command('replay'))
    .description('read it again after a fix, each piece exactly once')
    .option('--id <id>', 'only this piece')
    .option('--file <path>', 'take these bytes in place of the piece named by --id')
    .option('--domains <folder>', 'SQL models to refresh from the events')
    .action(async (options: QuarantineOptions) => (await load()).replayCommand(context, options));
};
