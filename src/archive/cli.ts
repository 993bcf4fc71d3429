import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Pool } from 'pg';
import type { CliContext, RegisterCommands } from '../platform/cli.ts';

/** Loads the work only when a command is called, and keeps its code compiled. */
const load = (context: CliContext): Promise<typeof import('./commands.ts')> => {
  enableCompileCache(join(context.config().LASTRO_HOME, 'cache', 'node'));
  return import('./commands.ts');
};

const json = ['--json', 'for machines: one object'] as const;

/** What the archive asks other capabilities. */
export type ArchivePorts = {
  /** Ids of issued reports that may hold any of these orders. */
  readonly issuedReports: (
    db: Pool,
    orders: readonly { readonly orderId: string; readonly areaId: string; readonly createdAt: Date }[],
  ) => Promise<readonly string[]>;
};

/** `lastro archive` */
export const registerWith =
  (ports: ArchivePorts): RegisterCommands =>
  (program, context) => {
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
  lastro archive status --json
  lastro archive receipt ord_01K… --out receipt.json
  lastro archive keys > keys.json
  lastro archive verify receipt.json --keys keys.json
  lastro archive show ord_01K…
  lastro archive restore --area CRD01 --month 2025-03 --dry-run
  lastro archive compact --dry-run
  lastro archive area CRD01 --older-than 1y
  lastro archive hold CRD01 --reason "Processo 123"
  lastro archive lifecycle
  lastro archive erase --client cli_… --reference LGPD-118 --dry-run
Exit codes: 0 done, 1 the run failed, a window could not be proven or another run holds the table, 2 a wrong call.`,
      );
    addRun(archive, context);
    addProofs(archive, context);
    addCare(archive, context, ports);
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

const care = (context: CliContext): Promise<typeof import('./care-commands.ts')> => {
  enableCompileCache(join(context.config().LASTRO_HOME, 'cache', 'node'));
  return import('./care-commands.ts');
};

const repeated = (value: string, before: string[] = []): string[] => [...before, value];

const addProofs = (archive: Command, context: CliContext): void => {
  archive
    .command('status')
    .description('show the last run, what waits, holes, and the size of the table')
    .option('--check', 'exit code 1 where the last run failed or a window is a hole')
    .option(...json)
    .action(async (options) => (await care(context)).statusCommand(context, options));
  archive
    .command('receipt')
    .description('write the proof that an order was archived; anyone can check it')
    .argument('<order>', 'id of the order')
    .option('--out <file>', 'write it there instead of to standard output')
    .action(async (order: string, options) => (await care(context)).receiptCommand(context, order, options));
  archive
    .command('verify')
    .description('check a receipt with public keys alone: no database, no network')
    .argument('<file>', 'the receipt')
    .option('--keys <file>', 'public keys as a JWK set (default: those of LASTRO_HOME)')
    .option('--item <file>', "the order as DynamoDB's JSON: check that it is the version archived")
    .option(...json)
    .action(async (file: string, options) => (await care(context)).verifyCommand(context, file, options));
  archive
    .command('keys')
    .description('print the public keys for whoever checks receipts')
    .action(async () => (await care(context)).keysCommand(context));
  archive
    .command('show')
    .description('print an archived order, masked; every look is in the audit trail')
    .argument('<order>', 'id of the order')
    .option('--unmasked <reason>', 'with personal data; the reason goes into the audit trail')
    .action(async (order: string, options) => (await care(context)).showCommand(context, order, options));
};

const addCare = (archive: Command, context: CliContext, ports: ArchivePorts): void => {
  archive
    .command('restore')
    .description('put archived orders back into DynamoDB, never over another version')
    .option('--order <id>', 'this order; may be given again', repeated)
    .option('--area <id>', "the area's orders")
    .option('--month <month>', 'orders created in this month: 2025-03')
    .option('--keep-days <days>', 'not to be archived again before', '90')
    .option('--dry-run', 'show what would be put back')
    .option(...json)
    .action(async (options) => (await care(context)).restoreCommand(context, options));
  archive
    .command('compact')
    .description('join small files of a month and area; receipts stay good')
    .option('--dry-run', 'count the files')
    .option(...json)
    .action(async (options) => (await care(context)).compactCommand(context, options));
  archive
    .command('area')
    .description("show or change an area's own age and retention")
    .argument('[id]', 'id of the area')
    .option('--older-than <age>', 'its own age, or "default"')
    .option(
      '--retention-months <months>',
      'how long its orders must be kept after their last update, or "none"',
    )
    .option('--dry-run', 'change nothing')
    .option(...json)
    .action(async (id: string | undefined, options) =>
      (await care(context)).areaCommand(context, id, options),
    );
  archive
    .command('hold')
    .description('legal hold on an area: nothing of it is erased while it stands')
    .argument('<id>', 'id of the area')
    .option('--reason <text>', 'set it, with the reason')
    .option('--release', 'lift it')
    .option('--dry-run', 'change nothing')
    .option(...json)
    .action(async (id: string, { reason, ...options }: { reason?: string }) =>
      (await care(context)).areaCommand(context, id, {
        ...options,
        ...(reason === undefined ? {} : { hold: reason }),
      }),
    );
  archive
    .command('erase')
    .description('erase a person from the archive, or make them anonymous (LGPD)')
    .option('--client <id>', 'the person, as requester or participant')
    .option('--order <id>', 'this order; may be given again', repeated)
    .option(
      '--mention <text>',
      'a CPF, e-mail or phone of the person: found in orders of others too; may be given again',
      repeated,
    )
    .option('--anonymise', 'keep the rows, without the person')
    .option('--reference <number>', 'of the request in the register of requests')
    .option('--dry-run', 'show what would be erased, and what must be kept')
    .option(...json)
    .action(async (options) =>
      (await import('./erase-commands.ts')).eraseCommand(context, options, ports.issuedReports),
    );
  archive
    .command('lifecycle')
    .description("set the bucket's rules: cold class for data, old versions, broken uploads, issued reports")
    .option('--cold-days <days>', 'age at which data files go to the cold class', '30')
    .option('--cold-class <class>', 'GLACIER_IR or STANDARD_IA', 'GLACIER_IR')
    .option('--noncurrent-days <days>', 'how long versions that were overwritten stay', '30')
    .option('--report-days <days>', 'how long issued reports stay', '90')
    .option('--dry-run', 'show the rules')
    .option(...json)
    .action(async (options) => (await import('./erase-commands.ts')).lifecycleCommand(context, options));
};
