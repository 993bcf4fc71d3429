import { type CliContext, UserError } from '../platform/cli.ts';
import { checkTable, type RunOptions } from './command-options.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { openReaders } from './read.ts';
import { openSource, s3Options } from './source.ts';
import { parsePartitionBy } from './tables.ts';

const limitsOf = (options: RunOptions): Limits => ({
  ...defaultLimits,
  ...(options.batchMb === undefined ? {} : { batchBytes: options.batchMb * 1e6 }),
  ...(options.maxMemoryMb === undefined ? {} : { memoryBytes: options.maxMemoryMb * 1e6 }),
  ...(options.maxBatchSeconds === undefined ? {} : { batchMs: options.maxBatchSeconds * 1e3 }),
});

/** `lastro consolidate` */
export const consolidateCommand = async (
  context: CliContext,
  place: string | undefined,
  options: RunOptions,
): Promise<void> => {
  const { table } = options;
  if (place === undefined || table === undefined) {
    throw new UserError('expected a directory or s3://bucket/prefix and --table namespace.name; see --help');
  }
  checkTable(table);
  const partitionBy = options.partition === undefined ? undefined : parsePartitionBy(options.partition);
  const { signal } = context;
  const limits = limitsOf(options);
  const source = await openSource(place, s3Options(context.config()));
  // The threads start and list while DuckDB is loaded and the database and the lake are opened.
  const readers = openReaders({ source, limits: limits.read, signal });
  const request = {
    ...{ source, table, signal },
    ...(partitionBy ? { partitionBy } : {}),
    ...(options.waitMb === undefined
      ? {}
      : { wait: { bytes: options.waitMb * 1e6, forMs: options.waitMinutes * 60_000 } }),
  };
  try {
    const { planOrRun } = await import('./run-command.ts');
    await planOrRun(context, options, limits, { ...request, readers });
  } finally {
    await readers.close();
  }
};
