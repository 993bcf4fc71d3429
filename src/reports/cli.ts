import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliContext, RegisterCommands } from '../platform/cli.ts';
import type { DownloadOptions, ListOptions, NewOptions, SubjectOptions } from './commands.ts';
import type { WithdrawOptions } from './rights-commands.ts';

/** `lastro report …` */
export const register: RegisterCommands = (program, context) => {
  const report = program
    .command('report')
    .description('reports of archived and current orders: ask for them, follow and download them')
    .addHelpText(
      'after',
      `
Examples:
  lastro report kinds
  lastro report new area-orders --param areaId=CRD01 --from 2026-01-01 --format csv --purpose "Auditoria interna" --out ordens.csv
  lastro report list --status failed
  lastro report status rpt_01M…
  lastro report cancel rpt_01M…
  lastro report download rpt_01M… --purpose "Chamado 123" --out ordens.csv
  lastro report subject - --purpose "Pedido do titular" --out titular.json < cpf.txt
Who runs these holds the database: every right is theirs, and every use is in the audit trail with its purpose.
Exit codes: 0 done, 1 the report failed or is not there, 2 a wrong call.`,
    );
  addAsking(report, context);
  addLooking(report, context);
  addRights(report, context);
};

/** Loads the work only when a command is called, and keeps its code compiled. */
const load = (context: CliContext): Promise<typeof import('./commands.ts')> => {
  enableCompileCache(join(context.config().LASTRO_HOME, 'cache', 'node'));
  return import('./commands.ts');
};

const json = ['--json', 'for machines: one object'] as const;
const purpose = ['--purpose <text>', 'why the data is needed; kept in the audit trail'] as const;
const force = ['--force', 'replace a file that is there'] as const;
const out = ['--out <file>', 'where the file goes; - is standard output'] as const;

const pair = (text: string, before: Record<string, string> = {}): Record<string, string> => {
  const [, name, value] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('expected name=value.');
  return { ...before, [name]: value };
};

const positive = (text: string): number => {
  const number = Number(text);
  if (!(Number.isInteger(number) && number > 0)) throw new InvalidArgumentError('expected a number above 0.');
  return number;
};

const addAsking = (report: Command, context: CliContext): void => {
  report
    .command('kinds')
    .description('what there is to ask for, with parameters and columns')
    .option(...json)
    .action(async (options: { json?: boolean }) => (await load(context)).kindsCommand(context, options));
  report
    .command('new')
    .description('ask for a report, wait for it and take its file')
    .argument('<kind>', 'see: lastro report kinds')
    .option('--param <name=value>', 'a parameter of the kind; may be given again', pair)
    .option('--from <instant>', 'orders created at or after: 2026-01-01 or an RFC 3339 instant')
    .option('--to <instant>', 'orders created before')
    .option('--status <status>', 'status of the orders, such as concluida')
    .addOption(
      new Option('--format <format>', 'form of the file')
        .choices(['csv', 'json', 'ndjson', 'parquet', 'xlsx', 'pdf'])
        .default('csv'),
    )
    .option('--separator <character>', 'of CSV: , or ;')
    .option('--bom', 'CSV with a byte order mark, for Excel')
    .option('--flat', 'JSON columns as one column for each member')
    .option('--unmasked', 'CPF, e-mail and phone as they are')
    .requiredOption(...purpose)
    .option(...out)
    .option(...force)
    .option('--no-wait', 'leave it to a worker and end at once')
    .option('--dry-run', 'check the request and change nothing')
    .option(...json)
    .action(async (kind: string, options: NewOptions) =>
      (await load(context)).newCommand(context, kind, options),
    );
};

const addLooking = (report: Command, context: CliContext): void => {
  report
    .command('list')
    .description("everybody's reports, newest first")
    .option('--status <status>', 'queued, running, completed, failed, cancelled, expired')
    .option('--kind <kind>', 'only of this kind')
    .option('--limit <count>', 'at most so many', positive, 50)
    .option('--json', 'for machines: an array of objects')
    .action(async (options: ListOptions) => (await load(context)).listCommand(context, options));
  report
    .command('status')
    .description('one report')
    .argument('<id>')
    .option('--follow', 'stay until it has ended, with progress')
    .option(...json)
    .action(async (id: string, options: { follow?: boolean; json?: boolean }) =>
      (await load(context)).statusCommand(context, id, options),
    );
  report
    .command('cancel')
    .description('cancel a report that has not ended')
    .argument('<id>')
    .requiredOption(...purpose)
    .option(...json)
    .action(async (id: string, options: { purpose: string; json?: boolean }) =>
      (await load(context)).cancelCommand(context, id, options),
    );
  report
    .command('download')
    .description('take the file of a report')
    .argument('<id>')
    .requiredOption(...purpose)
    .requiredOption(...out)
    .option(...force)
    .action(async (id: string, options: DownloadOptions) =>
      (await load(context)).downloadCommand(context, id, options),
    );
  report
    .command('subject')
    .description('everything that is held on one person (LGPD, art. 18), as JSON')
    .argument('<cpf>', 'eleven digits; - reads them from standard input, out of the history of the shell')
    .requiredOption(...purpose)
    .option(...out)
    .option(...force)
    .action(async (cpf: string, options: SubjectOptions) =>
      (await load(context)).subjectCommand(context, cpf, options),
    );
};

const addRights = (report: Command, context: CliContext): void => {
  const commands = async () => {
    await load(context);
    return import('./rights-commands.ts');
  };
  const rights = report
    .command('rights')
    .description('rights that are withdrawn at once, before the tokens that carry them expire')
    .addHelpText(
      'after',
      `
Examples:
  lastro report rights withdraw area-CRD01 --reason "Chave vazada"
  lastro report rights withdraw portal --subject maria --area CRD01 --reason "Mudou de área"
  lastro report rights list
  lastro report rights restore wdr_01M…`,
    );
  rights
    .command('list', { isDefault: true })
    .description('what is withdrawn now')
    .option('--json', 'for machines: an array of objects')
    .action(async (options: { json?: boolean }) => (await commands()).listRightsCommand(context, options));
  rights
    .command('withdraw')
    .description('take rights away from a client of the API: all, or one')
    .argument('<client>', "client id of the token's client")
    .option('--subject <subject>', 'only of this subject of the client')
    .option('--scope <scope>', 'only this scope')
    .option('--area <area>', 'only this area')
    .option('--document <document>', "only this client of the bank's")
    .requiredOption('--reason <text>', 'kept in the audit trail')
    .option(...json)
    .action(async (client: string, options: WithdrawOptions) =>
      (await commands()).withdrawCommand(context, client, options),
    );
  rights
    .command('restore')
    .description('give back what was withdrawn')
    .argument('<id>', 'as `lastro report rights` lists it')
    .action(async (id: string) => (await commands()).restoreCommand(context, id));
};
