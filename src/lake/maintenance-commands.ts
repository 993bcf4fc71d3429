import { join } from 'node:path';
import type { Command } from 'commander';
import { type CliContext, UserError, writeAnswer } from '../platform/cli.ts';
import { workFolder } from '../platform/work-folder.ts';
import { withTable } from './command-lake.ts';
import { openDuckDb } from './duckdb-session.ts';
import { openFileCache } from './file-cache.ts';
import { hiveLocation, hiveStatements, setHiveManifests } from './hive-manifests.ts';
import { expireSnapshots, removeOrphans } from './maintenance.ts';
import { compactTable } from './rewrite.ts';
import { TableConflictError } from './snapshots.ts';
import { rollbackTo } from './tables.ts';

/** `lastro table compact|expire|orphans|rollback NAME`: a table's upkeep. Each may run while others write. */
export const addMaintenanceCommands = (table: Command, context: CliContext): void => {
  table
    .command('compact <name>')
    .description('join the small files of each partition into large ones')
    .option('--target <size>', 'aim at files of this size, for example 256MB (default: 128MB)', parseSize)
    .option('--json', 'for machines')
    .action((name: string, options: { target?: number; json?: boolean }) => compact(context, name, options));
  table
    .command('expire <name>')
    .description('forget old snapshots and delete the files that only they use')
    .requiredOption('--older-than <age>', '7d, 12h or a time such as 2026-01-31', parseAge)
    .option('--keep-last <n>', 'newest snapshots that stay, however old (default: 1)', parseKeep)
    .option('--json', 'for machines')
    .action((name: string, options: { olderThan: Age; keepLast?: number; json?: boolean }) =>
      withTable(context, name, async (lake) => {
        const olderThan =
          'at' in options.olderThan
            ? options.olderThan.at
            : new Date(lake.clock().getTime() - options.olderThan.ms);
        const keep = options.keepLast === undefined ? {} : { keepLast: options.keepLast };
        const done = await expireSnapshots(lake, name, { olderThan, ...keep });
        await writeAnswer(
          context,
          options.json,
          done,
          `${done.snapshots} snapshots forgotten, ${done.files} files deleted`,
        );
      }),
    );
  table
    .command('hive <name>')
    .description('show the table to engines without Iceberg: keep manifests of its files from now on')
    .option('--off', 'no more, and remove them')
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      `
Prints the statements that make the Hive table over them (Athena, Hive, Spark). The manifests follow each commit at
the end of the command that made it, and every commit within a minute where a worker runs.`,
    )
    .action((name: string, options: { off?: boolean; json?: boolean }) =>
      withTable(context, name, async (lake, found) => {
        const on = options.off !== true;
        const changed = await setHiveManifests(lake, found, on);
        const location = hiveLocation(lake, changed);
        const statements = hiveStatements(lake, changed);
        const text = on ? statements : `the manifests in ${location} are gone`;
        await writeAnswer(context, options.json, on ? { location, statements } : { location: null }, text);
      }),
    );
  table
    .command('orphans <name>')
    .description('remove files that nothing refers to, left by commits that lost and processes that died')
    .option('--dry-run', 'only name them')
    .option(
      '--older-than <age>',
      'never younger ones, which may belong to a commit in the making (default: 3d)',
      parseAge,
    )
    .option('--json', 'for machines')
    .action((name: string, options: { dryRun?: boolean; olderThan?: Age; json?: boolean }) =>
      withTable(context, name, async (lake) => {
        const age = options.olderThan;
        const guardMs =
          age === undefined ? undefined : 'at' in age ? lake.clock().getTime() - age.at.getTime() : age.ms;
        if (guardMs !== undefined && guardMs < 3_600_000)
          throw new UserError(
            '--older-than: expected at least 1h: younger files may belong to a commit in the making',
          );
        const done = await removeOrphans(lake, name, {
          dryRun: options.dryRun === true,
          ...(guardMs === undefined ? {} : { guardMs }),
        });
        const verb = options.dryRun ? 'would be removed' : 'removed';
        const names = options.dryRun ? done.keys.map((key) => `${key}\n`).join('') : '';
        await writeAnswer(
          context,
          options.json,
          done,
          `${names}${done.files} files (${done.bytes} bytes) ${verb}`,
        );
      }),
    );
  table
    .command('rollback <name>')
    .description('make an earlier snapshot the current one; nothing is deleted')
    .requiredOption('--to <snapshot>', "the snapshot's id (lastro table NAME shows them)")
    .option('--json', 'for machines')
    .action((name: string, { to, json }: { to: string; json?: boolean }) =>
      withTable(context, name, async (lake, found) => {
        if (!found.metadata.snapshots.some((snapshot) => snapshot['snapshot-id'] === to)) {
          throw new UserError(`no snapshot ${to} of ${name}; \`lastro table ${name}\` shows them`);
        }
        const before = found.metadata['current-snapshot-id'] ?? null;
        await rollbackTo(lake, name, to).catch((error: unknown) => {
          throw error instanceof Error && error.message.includes('not an ancestor')
            ? new UserError(error.message)
            : error;
        });
        await writeAnswer(
          context,
          json,
          { from: before, to },
          `${name} is at snapshot ${to} (was ${before ?? 'empty'})`,
        );
      }),
    );
};

const compact = (
  context: CliContext,
  name: string,
  options: { target?: number; json?: boolean },
): Promise<void> =>
  withTable(context, name, async (lake) => {
    const session = await openDuckDb({ temporaryParent: await workFolder(context.config().LASTRO_HOME) });
    try {
      const files = await openFileCache({
        store: lake.store,
        folder: join(session.folder, 'cache'),
        maxBytes: 20 * 1024 ** 3,
      });
      const target = options.target === undefined ? {} : { targetFileBytes: options.target };
      const done = await compactTable({ lake, session, files }, name, {
        ...target,
        onProgress: ({ partitions, files: count }) =>
          context.stderr.write(`${partitions} partitions, ${count} files joined\n`),
      });
      const { committed, ...counts } = done;
      const text = committed
        ? `${done.filesBefore} files (${done.bytesBefore} bytes) became ${done.filesAfter} (${done.bytesAfter} bytes) in ${done.partitions} partitions, snapshot ${committed.snapshotId}`
        : 'nothing to join';
      await writeAnswer(
        context,
        options.json,
        { ...counts, snapshotId: committed?.snapshotId ?? null },
        text,
      );
    } catch (error) {
      if (error instanceof TableConflictError)
        throw new UserError(`${error.message}; nothing was changed, run it again`, 1);
      throw error;
    } finally {
      await session.close();
    }
  });

type Age = { readonly ms: number } | { readonly at: Date };

const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

const parseAge = (text: string): Age => {
  const [, count, unit = ''] = /^(\d+)([mhd])$/.exec(text) ?? [];
  if (count !== undefined) return { ms: Number(count) * (units[unit] ?? 0) };
  const at = new Date(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(at.getTime())) return { at };
  throw new UserError(
    `--older-than: expected an age (7d, 12h) or a time (2026-01-31), found ${JSON.stringify(text)}`,
  );
};

const parseKeep = (text: string): number => {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UserError(`--keep-last: expected a whole number from 1, found ${JSON.stringify(text)}`);
  return count;
};

const parseSize = (text: string): number => {
  const [, count, unit] = /^(\d+)(MB|GB)$/i.exec(text) ?? [];
  if (count === undefined || Number(count) === 0)
    throw new UserError(`--target: expected a size such as 256MB, found ${JSON.stringify(text)}`);
  return Number(count) * 1024 ** (unit?.toUpperCase() === 'GB' ? 3 : 2);
};
