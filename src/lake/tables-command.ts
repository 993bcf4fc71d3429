import type { Command } from 'commander';
import { type CliContext, write } from '../platform/cli.ts';
import { formatTableName } from './catalog/catalog.ts';
import { openCommandLake } from './command-lake.ts';
import type { Batch } from './engines/engine.ts';
import { writeTable } from './sql-output.ts';
import { findTable, type Lake, listTables } from './tables.ts';

/** `lastro tables`: what is in the lake. */
export const addTablesCommand = (program: Command, context: CliContext): void => {
  program
    .command('tables')
    .description("list the lake's tables with rows, files and bytes")
    .argument('[namespace]', 'only this namespace')
    .option('--json', 'for machines: an array of objects')
    .addHelpText('after', '\nExamples:\n  lastro tables\n  lastro tables kconnect --json | jq -r .[].table')
    .action(async (namespace: string | undefined, { json }: { json?: boolean }) => {
      const commandLake = openCommandLake(context);
      try {
        const rows = await Array.fromAsync(summaries(await commandLake.lake(), namespace));
        if (json) await write(context.stdout, `${JSON.stringify(rows, null, 2)}\n`);
        else if (rows.length === 0) await write(context.stderr, '(no tables)\n');
        else await writeTable(toBatch(rows), (text) => write(context.stdout, text));
      } finally {
        await commandLake.close();
      }
    });
};

type Summary = {
  table: string;
  rows: number;
  files: number;
  bytes: number;
  snapshots: number;
  changed: string;
};

async function* summaries(lake: Lake, namespace: string | undefined): AsyncGenerator<Summary> {
  for (const name of await listTables(lake, namespace)) {
    const table = await findTable(lake, formatTableName(name));
    if (!table) continue; // dropped since it was listed
    const { metadata } = table;
    const current = metadata.snapshots.find(
      (each) => each['snapshot-id'] === metadata['current-snapshot-id'],
    );
    const total = (key: string): number => Number(current?.summary[key] ?? 0);
    yield {
      table: formatTableName(name),
      rows: total('total-records'),
      files: total('total-data-files'),
      bytes: total('total-files-size'),
      snapshots: metadata.snapshots.length,
      changed: new Date(metadata['last-updated-ms']).toISOString(),
    };
  }
}

async function* toBatch(rows: readonly Summary[]): AsyncGenerator<Batch> {
  const columns = Object.entries(rows[0] ?? {}).map(([name, value]) => ({
    name,
    type: typeof value === 'number' ? 'bigint' : 'varchar',
  }));
  yield { columns, rows: rows.map((row) => Object.values(row)), truncated: false };
}
