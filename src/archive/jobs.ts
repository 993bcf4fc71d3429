import type { Pool } from 'pg';
import type { Config } from '../platform/config.ts';
import { openIncident, resolveIncident, type ServiceNow, type Subject } from '../platform/incidents.ts';
import type { Jobs, Queue } from '../platform/jobs.ts';
import { LeaseHeldError } from '../platform/leases.ts';
import type { Log } from '../platform/log.ts';
import type { Archived } from './archive-run.ts';

export const archiveQueue: Queue<object> = {
  name: 'archive',
  // A run that failed left nothing half done that the next one does not take up.
  retryLimit: 2,
  retryDelaySeconds: 300,
  retryDelayMaxSeconds: 1_800,
  expireInSeconds: 23 * 3_600,
};

export const archiveQueues: readonly Queue<object>[] = [archiveQueue];

/** 03:00 UTC is midnight in Brasília. */
const crons = { daily: '0 3 * * *', weekly: '0 3 * * 0' } as const;

export type ArchiveWorkDeps = {
  readonly config: Config;
  readonly db: Pool;
  readonly jobs: Jobs;
  readonly log: Log;
};

/** Takes archive jobs, and keeps the schedule that the settings name. */
export const workOnArchive = async (deps: ArchiveWorkDeps): Promise<void> => {
  const { config, jobs } = deps;
  await jobs.work(archiveQueue, 1, async (_, { signal }) => {
    await scheduledRun(deps, signal);
  });
  if (config.ARCHIVE_SCHEDULE !== 'off')
    await jobs.schedule({ queue: archiveQueue, cron: crons[config.ARCHIVE_SCHEDULE] });
};

/**
 * One run of the schedule, and after it the joining of small files where it pays. A failed one, and one that ends with windows missing, opens an incident; one that passes
 * resolves it. Where another run holds the table there is nothing to do.
 */
export const scheduledRun = async (
  { config, db, log }: ArchiveWorkDeps,
  signal: AbortSignal,
): Promise<Archived | undefined> => {
  // Loaded by a run only: DuckDB, Parquet and the SDK would cost every start of an API half a second.
  const [{ archiveOrders }, { compactArchive }, { openArchive }, { archiveStatus }] = await Promise.all([
    import('./archive-run.ts'),
    import('./compact.ts'),
    import('./command-room.ts'),
    import('./status.ts'),
  ]);
  const notice = (message: string): void => log.warn({ message }, 'archive');
  const room = await openArchive({ config, pool: db, signal, notice });
  const serviceNow = serviceNowOf(config);
  const subject = subjectOf(config.LASTRO_ORDERS_TABLE);
  try {
    const done = await archiveOrders({ ...room, report: { notice } }, { ...room.request, signal });
    log.info({ runId: done.runId, ...done.counts }, 'archive run done');
    const { committed: _committed, ...joined } = await compactArchive(
      { ...room, table: config.LASTRO_ORDERS_TABLE },
      { which: 'paying', signal },
    );
    if (joined.filesBefore > 0) log.info(joined, 'small files of the archive joined');
    const { holes } = await archiveStatus({ db, lake: room.lake }, config.LASTRO_ORDERS_TABLE);
    if (serviceNow && holes.length > 0) {
      const windows = holes
        .map((hole) => `${hole.source} ${hole.from.slice(0, 7)}: ${hole.error}`)
        .join('\n');
      await openIncident(serviceNow, subject, {
        again: windows,
        description: `Windows stay holes:\n${windows}\nSee docs/archive.md.`,
      });
    } else if (serviceNow) await resolveIncident(serviceNow, subject, `Run ${done.runId} passed.`);
    return done;
  } catch (error) {
    if (error instanceof LeaseHeldError) {
      log.info({ message: error.message }, 'archive run left out');
      return undefined;
    }
    const message = error instanceof Error ? error.message : String(error);
    if (serviceNow && !signal.aborted) {
      // An incident that cannot be opened must not hide why.
      await openIncident(serviceNow, subject, {
        again: `It failed again: ${message}`,
        description: `The archive run failed: ${message}\nNothing is lost: the next run goes on from there. See docs/archive.md.`,
      }).catch((fault: unknown) => log.error({ err: fault }, 'the incident could not be opened'));
    }
    throw error;
  } finally {
    await room.close();
  }
};

const serviceNowOf = ({ SERVICENOW_URL: url, SERVICENOW_TOKEN: token }: Config): ServiceNow | undefined =>
  url !== undefined && token !== undefined ? { url, token } : undefined;

const subjectOf = (table: string): Subject => ({
  id: `lastro:archive:${table}`,
  part: 'Lastro archive',
  title: `Archiving of ${table} failed`,
});
