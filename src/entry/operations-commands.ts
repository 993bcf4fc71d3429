import { verifyAudit } from '../platform/audit.ts';
import { type CliContext, type RegisterCommands, UserError, writeAnswer } from '../platform/cli.ts';
import { type Jobs, openJobs } from '../platform/jobs.ts';
import { openLog } from '../platform/log.ts';
import { loadSigningKeys, publicJwks, signingKeysFile } from '../platform/signing-keys.ts';
import { openConfiguredStore } from '../platform/store/configured-store.ts';
import { maskText } from '../shared/mask.ts';
import { openCommandPostgres } from './command-postgres.ts';
import { allQueues } from './queues.ts';

const withJobs = async <T>(context: CliContext, work: (jobs: Jobs) => Promise<T>): Promise<T> => {
  const postgres = await openCommandPostgres(context.config(), context.stderr);
  try {
    const jobs = await openJobs({
      url: postgres.url,
      queues: allQueues,
      works: false,
      log: openLog({ level: 'warn', service: 'jobs' }),
    });
    try {
      return await work(jobs);
    } finally {
      await jobs.close();
    }
  } finally {
    await postgres.close();
  }
};

type Row = Record<string, string | number>;

/** Columns as wide as what is in them; numbers to the right. */
const table = (rows: readonly Row[]): string => {
  const names = Object.keys(rows[0] ?? {});
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name]).length)));
  const line = (cells: (string | number)[]): string =>
    cells
      .map((cell, index) =>
        typeof cell === 'number'
          ? String(cell).padStart(widths[index] ?? 0)
          : cell.padEnd(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(names), ...rows.map((row) => line(names.map((name) => row[name] ?? '')))].join('\n');
};

export const registerJobs: RegisterCommands = (program, context) => {
  const jobs = program
    .command('jobs')
    .description('show queues; without a subcommand, their depths')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  lastro jobs\n  lastro jobs dead --json\n  lastro jobs redrive delivery',
    )
    .action(async ({ json }: { json?: boolean }) => {
      const overview = await withJobs(context, (open) => open.overview());
      await writeAnswer(context, json, overview, table(overview));
    });
  jobs
    .command('dead')
    .description('show jobs that gave up, with the reason')
    .option('--limit <n>', 'show at most n', '100')
    .option('--json', 'print JSON')
    .action(async ({ limit }: { limit: string }, command: { optsWithGlobals: () => { json?: boolean } }) => {
      const most = Number(limit);
      if (!Number.isInteger(most) || most < 1)
        throw new UserError(`--limit: expected a number, found ${limit}`);
      const dead = await withJobs(context, (open) => open.dead(most));
      const rows = dead.map((job) => ({
        queue: job.queue,
        id: job.id,
        diedAt: job.diedAt,
        job: JSON.stringify(job.data),
        reason: maskText(reasonOf(job.error)),
      }));
      await writeAnswer(
        context,
        command.optsWithGlobals().json,
        dead,
        rows.length ? table(rows) : 'No dead jobs.',
      );
    });
  jobs
    .command('redrive')
    .description('give dead jobs of a queue another chance')
    .argument('<queue>', `one of ${allQueues.map(({ name }) => name).join(', ')}`)
    .argument('[ids...]', 'only these jobs')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  lastro jobs redrive delivery\n  lastro jobs redrive assembly 5f0c…')
    .action(
      async (
        queue: string,
        ids: string[],
        _options: unknown,
        command: { optsWithGlobals: () => { json?: boolean } },
      ) => {
        if (!allQueues.some(({ name }) => name === queue))
          throw new UserError(
            `expected a queue (${allQueues.map(({ name }) => name).join(', ')}), found ${queue}`,
          );
        const moved = await withJobs(context, (open) =>
          open.redrive(queue, ids.length > 0 ? ids : undefined),
        );
        await writeAnswer(
          context,
          command.optsWithGlobals().json,
          { queue, moved },
          `${moved} job(s) moved back to ${queue}.`,
        );
      },
    );
};

const reasonOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : JSON.stringify(error);

export const registerAudit: RegisterCommands = (program, context) => {
  program
    .command('audit')
    .description('the audit trail')
    .command('verify')
    .description(
      'check the trail against its seals and the published copies; exit code 1 where it was touched',
    )
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  lastro audit verify\n  lastro audit verify --json | jq .intact')
    .action(async ({ json }: { json?: boolean }) => {
      const config = context.config();
      const db = await context.postgres();
      const store = await openConfiguredStore(config);
      try {
        const jwks = publicJwks(await loadSigningKeys(signingKeysFile(config)));
        const verdict = await verifyAudit({ db, store: store.store, jwks });
        const summary = `${verdict.records} rows in ${verdict.batches} seals, ${verdict.unsealed} not sealed yet.`;
        const faults = verdict.faults.map(({ batch, fault }) => `seal ${batch}: ${fault}`);
        await writeAnswer(
          context,
          json,
          verdict,
          [verdict.intact ? 'Intact.' : 'NOT intact.', summary, ...faults].join('\n'),
        );
        if (!verdict.intact) process.exitCode = 1;
      } finally {
        await store.close();
      }
    });
};
