import { createHash } from 'node:crypto';
import { PgBoss } from 'pg-boss';
import { Gauge, Histogram } from 'prom-client';
import { maskText } from '../shared/mask.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { type PreparedStatement, prepared, type Tx } from './postgres.ts';
import { traced } from './telemetry.ts';

/** A kind of job. Its jobs must be idempotent: one may run again after a crash, late, or beside its twin. */
export type Queue<Data extends object> = {
  readonly name: string;
  /** Tries after the first; then the job goes to the dead-letter queue with its last error. */
  readonly retryLimit: number;
  readonly retryDelaySeconds: number;
  readonly retryDelayMaxSeconds: number;
  readonly expireInSeconds: number;
  /**
   * Wakes a worker at once. Not for every queue: PostgreSQL commits transactions that notify one after the
   * other, each with its flush of the log.
   */
  readonly urgent?: boolean;
  /** Jobs of one key run one after the other, in the order in which their transactions began. */
  readonly orderedByKey?: boolean;
  /** Only a type: what a job of this queue carries. */
  readonly data?: Data;
};

export type JobContext = { readonly id: string; readonly attempt: number; readonly signal: AbortSignal };

export type EnqueueOptions = { afterSeconds?: number; key?: string };

export type Schedule = {
  queue: Queue<object>;
  cron: string;
  /** Tells the schedules of a queue apart, where it has several. */
  key?: string;
  /** What each of its jobs carries. */
  data?: object;
};

export type Jobs = {
  /** Adds a job in the caller's transaction: it exists exactly when what it follows from does. */
  enqueue: <Data extends object>(
    tx: Tx,
    queue: Queue<Data>,
    data: Data,
    options?: EnqueueOptions,
  ) => Promise<void>;
  /** Adds a job for each of `data`, in one statement. Not for a queue that is `orderedByKey`. */
  enqueueAll: <Data extends object>(tx: Tx, queue: Queue<Data>, data: readonly Data[]) => Promise<void>;
  /** Works on a queue until `close`. A handler that throws is tried again; `GiveUp` dead-letters at once. */
  work: <Data extends object>(
    queue: Queue<Data>,
    concurrency: number,
    handler: (data: Data, context: JobContext) => Promise<void>,
  ) => Promise<void>;
  /** Runs a queue's job at the cron's times (UTC), once for all processes. A missed time is made up for once. */
  schedule: (schedule: Schedule) => Promise<void>;
  /** The schedules of a queue that have a key. */
  schedules: (queueName: string) => Promise<{ key: string; cron: string; data: unknown }[]>;
  unschedule: (queueName: string, key: string) => Promise<void>;
  overview: () => Promise<QueueOverview[]>;
  /** The newest dead jobs. */
  dead: (limit: number) => Promise<DeadJob[]>;
  /** Moves dead jobs back to the queue that they came from; answers how many. */
  redrive: (queueName: string, ids?: string[]) => Promise<number>;
  /** Stops taking jobs and waits for those in hand, at most `graceMs`. */
  close: (graceMs?: number) => Promise<void>;
};

export type QueueOverview = {
  queue: string;
  waiting: number;
  deferred: number;
  active: number;
  dead: number;
};

export type DeadJob = { id: string; queue: string; data: unknown; error: unknown; diedAt: string };

/** Thrown by a handler whose job can never succeed: it goes to the dead-letter queue without more tries. */
export class GiveUp extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'GiveUp';
  }
}

const deadLetterOf = (queueName: string): string => `${queueName}_dead`;

/** The least that pg-boss takes; with supervision each 5 s a dead process's jobs move on within about 15 s. */
const heartbeatSeconds = 10;

/**
 * The job system's own statements are few and long: named by their hash, each is planned once a connection.
 */
const openStatements = (): ((text: string, values: unknown[]) => PreparedStatement) => {
  const known = new Map<string, ReturnType<typeof prepared>>();
  return (text, values) => {
    let statement = known.get(text);
    if (!statement) {
      statement = prepared(`jobs.${createHash('sha256').update(text).digest('hex').slice(0, 32)}`, text);
      known.set(text, statement);
    }
    return statement(values);
  };
};

const errorOutput = (error: unknown): { message: string; name: string } => ({
  name: error instanceof Error ? error.name : 'Error',
  // Kept for a year in the dead-letter queue, and shown to whoever is on call.
  message: maskText(error instanceof Error ? error.message : String(error)),
});

/**
 * Opens the job system on PostgreSQL (pg-boss) and declares the queues.
 * `works: false` is for processes that only add jobs (the API): no maintenance, no polling, no schedules.
 */
export const openJobs = async ({
  url,
  queues,
  works,
  log,
  metrics,
}: {
  url: string;
  queues: readonly Queue<object>[];
  works: boolean;
  log: Log;
  metrics?: Metrics;
}): Promise<Jobs> => {
  const boss = new PgBoss({
    connectionString: url,
    application_name: 'lastro-jobs',
    max: works ? 6 : 2,
    supervise: works,
    schedule: works,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
    maintenanceIntervalSeconds: 300,
    useListenNotify: works,
    reindex: works,
  });
  boss.on('error', (error) => log.error({ err: error }, 'job system'));
  boss.on('warning', (warning) => log.warn({ warning: warning.message }, 'job system'));
  await boss.start();
  for (const queue of queues) await declare(boss, queue);

  let closed: Promise<void> | undefined;
  const statementOf = openStatements();
  const within = (tx: Tx) => ({
    executeSql: (text: string, values?: unknown[]) => tx.query(statementOf(text, values ?? [])),
  });
  const duration = metrics && jobDuration(metrics);
  if (metrics && works) watchDepth(boss, queues, metrics, log);

  return {
    enqueue: async (tx, queue, data, options = {}) => {
      await boss.send(queue.name, data, {
        db: within(tx),
        ...(options.afterSeconds ? { startAfter: options.afterSeconds } : {}),
        ...(options.key ? { singletonKey: options.key } : {}),
      });
    },
    enqueueAll: async (tx, queue, data) => {
      if (data.length === 0) return;
      const jobs = data.map((item) => ({ data: item }));
      await boss.insert(queue.name, jobs, { db: within(tx) });
    },
    work: async (queue, concurrency, handler) => {
      // Few fetchers with large batches: each fetch and each completion is a statement, however many jobs it has.
      // Not one alone: a fetcher comes back when the last of its jobs is done.
      const fetchers = concurrency < 4 ? 1 : Math.max(2, Math.ceil(concurrency / 32));
      await boss.work(
        queue.name,
        {
          batchSize: Math.max(1, Math.floor(concurrency / fetchers)),
          localConcurrency: fetchers,
          pollingIntervalSeconds: 1,
          // Retries, redrives and what a dead worker left notify nobody: they are found by polling.
          notifyPollingIntervalSeconds: 1,
          burstWhenBatchFull: true,
          perJobResults: true,
        },
        async (jobs) =>
          Promise.all(
            jobs.map(async (job) => {
              const end = duration?.startTimer({ queue: queue.name });
              try {
                await traced(`job ${queue.name}`, { 'job.id': job.id, 'job.attempt': job.retryCount }, () =>
                  handler(job.data as typeof queue.data & object, {
                    id: job.id,
                    attempt: job.retryCount,
                    signal: job.signal,
                  }),
                );
                end?.({ outcome: 'done' });
                return { id: job.id, status: 'completed' as const };
              } catch (error) {
                end?.({ outcome: 'failed' });
                log.error(
                  { err: error, queue: queue.name, jobId: job.id, attempt: job.retryCount },
                  'job failed',
                );
                return {
                  id: job.id,
                  status: error instanceof GiveUp ? ('deadletter' as const) : ('failed' as const),
                  output: errorOutput(error),
                };
              }
            }),
          ),
      );
    },
    schedule: async ({ queue, cron, key, data = {} }) => {
      const options = { tz: 'UTC', missed: 'once', ...(key === undefined ? {} : { key }) } as const;
      await boss.schedule(queue.name, cron, data, options);
    },
    schedules: async (queueName) =>
      (await boss.getSchedules(queueName))
        .filter(({ key }) => key !== '')
        .map(({ key, cron, data }) => ({ key, cron, data })),
    unschedule: (queueName, key) => boss.unschedule(queueName, key),
    overview: async () => {
      const found = await countJobs(boss, queues);
      return queues.map(({ name }) => {
        const { waiting = 0, deferred = 0, active = 0 } = found.get(name) ?? {};
        const dead = found.get(deadLetterOf(name));
        return { queue: name, waiting, deferred, active, dead: (dead?.waiting ?? 0) + (dead?.deferred ?? 0) };
      });
    },
    dead: async (limit) => {
      const found = await Promise.all(
        queues.map(({ name }) => boss.findJobs(deadLetterOf(name), { queued: true })),
      );
      return found
        .flat()
        .sort((one, next) => next.createdOn.getTime() - one.createdOn.getTime())
        .slice(0, limit)
        .map((job) => ({
          id: job.id,
          queue: job.sourceName ?? job.name,
          data: job.data,
          error: job.sourceOutput,
          diedAt: job.createdOn.toISOString(),
        }));
    },
    redrive: (queueName, ids) => boss.redrive(deadLetterOf(queueName), ids ? { ids } : {}),
    close: (graceMs = 20_000) => {
      closed ??= boss.stop({ graceful: true, timeout: graceMs, close: true });
      return closed;
    },
  };
};

const declare = async (boss: PgBoss, queue: Queue<object>): Promise<void> => {
  const kept = { retentionSeconds: 30 * 86_400, deleteAfterSeconds: 3_600 };
  await boss.createQueue(deadLetterOf(queue.name), {
    ...kept,
    retentionSeconds: 365 * 86_400,
    retryLimit: 0,
  });
  const options = {
    ...kept,
    retryLimit: queue.retryLimit,
    retryDelay: queue.retryDelaySeconds,
    retryDelayMax: queue.retryDelayMaxSeconds,
    retryBackoff: true,
    expireInSeconds: queue.expireInSeconds,
    heartbeatSeconds,
    deadLetter: deadLetterOf(queue.name),
    notify: queue.urgent ?? false,
  };
  await boss.createQueue(queue.name, {
    ...options,
    policy: queue.orderedByKey ? 'key_strict_fifo' : 'standard',
  });
  await boss.updateQueue(queue.name, options);
};

type Depth = { waiting: number; deferred: number; active: number };

/**
 * Counts what is in the queues now. The job system's own figures are up to a minute old: too old for whoever has
 * just redriven a job and looks whether it went.
 */
const countJobs = async (boss: PgBoss, queues: readonly Queue<object>[]): Promise<Map<string, Depth>> => {
  const names = queues.flatMap(({ name }) => [name, deadLetterOf(name)]);
  const { rows } = await boss.getDb().executeSql(
    `SELECT name,
       count(*) FILTER (WHERE state < 'active' AND start_after <= now())::int AS waiting,
       count(*) FILTER (WHERE state < 'active' AND start_after > now())::int AS deferred,
       count(*) FILTER (WHERE state = 'active')::int AS active
     FROM pgboss.job WHERE name = ANY ($1) AND state <= 'active' GROUP BY name`,
    [names],
  );
  return new Map((rows as (Depth & { name: string })[]).map((row) => [row.name, row]));
};

const jobDuration = (metrics: Metrics) =>
  new Histogram({
    name: 'lastro_job_duration_seconds',
    help: 'Time that a job took, by queue and outcome.',
    labelNames: ['queue', 'outcome'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [metrics],
  });

const watchDepth = (boss: PgBoss, queues: readonly Queue<object>[], metrics: Metrics, log: Log): void => {
  const names = queues.flatMap(({ name }) => [name, deadLetterOf(name)]);
  new Gauge({
    name: 'lastro_jobs',
    help: 'Jobs by queue and state. Dead-letter queues end in _dead.',
    labelNames: ['queue', 'state'] as const,
    registers: [metrics],
    async collect() {
      const found = await boss.getQueues(names).catch((error: unknown) => {
        log.warn({ err: error }, 'queue depths could not be read');
        return [];
      });
      for (const queue of found) {
        this.set({ queue: queue.name, state: 'waiting' }, queue.readyCount);
        this.set({ queue: queue.name, state: 'deferred' }, queue.deferredCount);
        this.set({ queue: queue.name, state: 'active' }, queue.activeCount);
      }
    },
  });
};
