import type { Command } from 'commander';
import { type CliContext, write } from '../platform/cli.ts';
import { withTable } from './command-lake.ts';
import type { SqlValue } from './engines/engine.ts';
import { addMaintenanceCommands } from './maintenance-commands.ts';
import { writeTable } from './sql-output.ts';
import { describeTable, type TableDescription } from './table-description.ts';

/** `lastro table NAME`: one table in full. */
export const addTableCommand = (program: Command, context: CliContext): void => {
  program.enablePositionalOptions();
  const table = program
    .command('table')
    .enablePositionalOptions()
    .description('show a table: schema, partitions, files, snapshots, size')
    .argument('<name>', 'namespace.table')
    .option('--json', 'for machines: one object')
    .addHelpText(
      'after',
      `
Examples:
  lastro table kconnect.events
  lastro table kconnect.events --json | jq .snapshots[-1]
  lastro table compact kconnect.events
  lastro table expire kconnect.events --older-than 30d --keep-last 10
  lastro table hive kconnect.events
  lastro table orphans kconnect.events --dry-run
  lastro table rollback kconnect.events --to 5217643380914`,
    )
    .action((name: string, { json }: { json?: boolean }) =>
      withTable(context, name, async (lake, table) => {
        const description = await describeTable(lake, table);
        if (json) await write(context.stdout, `${JSON.stringify(description, null, 2)}\n`);
        else await writeText(context, description);
      }),
    );
  addMaintenanceCommands(table, context);
};

const writeText = async (context: CliContext, description: TableDescription): Promise<void> => {
  const { name, location, uuid, rows, files, bytes, snapshotId, schema, partitionBy, sortBy, properties } =
    description;
  const facts = [
    ['table', name],
    ['location', location],
    ['uuid', uuid],
    ['rows', String(rows)],
    ['files', `${files} (${bytes} bytes)`],
    ['snapshot', snapshotId ?? '(none)'],
    ['partitions', partitionBy.join(', ') || '(none)'],
    ['sorted by', sortBy.join(', ') || '(none)'],
    ...Object.entries(properties).map(([key, value]) => [key, value]),
  ];
  const wide = Math.max(...facts.map(([key]) => key?.length ?? 0));
  await write(
    context.stdout,
    facts.map(([key = '', value = '']) => `${key.padEnd(wide)}  ${value}\n`).join(''),
  );
  await section(context, 'Columns', schema);
  await section(context, 'Partitions', description.partitions);
  await section(context, 'Snapshots', description.snapshots);
  await section(context, 'Branches and tags', description.refs);
};

const section = async (
  context: CliContext,
  title: string,
  rows: readonly Record<string, SqlValue>[],
): Promise<void> => {
  if (rows.length === 0) return;
  await write(context.stdout, `\n${title}\n`);
  const columns = Object.entries(rows[0] ?? {}).map(([name, value]) => ({
    name,
    type: typeof value === 'number' ? 'bigint' : 'varchar',
  }));
  const batches = async function* (): AsyncGenerator<{
    columns: typeof columns;
    rows: SqlValue[][];
    truncated: boolean;
  }> {
    yield { columns, rows: rows.map((row) => Object.values(row)), truncated: false };
  };
  await writeTable(batches(), (text) => write(context.stdout, text));
};
