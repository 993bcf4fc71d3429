import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Log } from '../platform/log.ts';
import { transaction } from '../platform/postgres.ts';
import type { Store } from '../platform/store/store.ts';
import { maskText } from '../shared/mask.ts';
import type { ProducedReport } from './contract.ts';
import { type EndingDeps, endReport } from './ending.ts';
import { ReportDeniedError, ReportTooLargeError } from './errors.ts';
import type { ReportLimits } from './limits.ts';
import type { ReportMaker } from './maker.ts';
import { type Claim, claimReport, claimSeconds, giveTurn, putBack, renewClaim } from './queue.ts';
import {
  fileKey,
  type Report,
  type ReportFailure,
  type ReportFile,
  type ReportRow,
  reportOfRow,
  scratchPrefix,
} from './report.ts';
import { mayHave, readWithdrawals, withoutWithdrawn } from './rights.ts';

/** The points at which a process may die, in order. */
export const reportPoints = [
  'report-claimed',
  'report-allowed',
  'report-produced',
  'report-uploaded',
  'report-committed',
  'report-cleaned',
] as const;

export type RunDeps = EndingDeps & {
  readonly db: Pool;
  readonly store: Store;
  readonly maker: Pick<ReportMaker, 'authorize' | 'produce'>;
  readonly clock: () => Date;
  readonly log: Log;
  readonly limits: Pick<ReportLimits, 'runningPerClient' | 'keepHours' | 'maxSeconds'>;
  /** Names this process to the people on call. */
  readonly holder: string;
  /** This process's own folder; removed by others when it is dead. */
  readonly workFolder: () => Promise<string>;
  /** Told each named point, for tests that cut the work off there. */
  readonly reached?: (point: string) => void | Promise<void>;
  readonly renewEveryMs?: number;
};

const mostAttempts = 3;

/** The claim was lost: cancelled, or taken over after a long silence. Nothing may be written any more. */
class ClaimLost extends Error {}

class TimeLimit extends Error {}

/** This process is asked to end: the report goes back to the queue, untried. */
class Stopped extends Error {}

/**
 * Makes the report whose turn it is (or the one named), from claim to commit. Answers its id; null where none was free.
 * It never throws for the report's own failure: that is in its row. A claim whose process died is taken over when it
 * has run out; what that process staged or uploaded is never read, and is removed by the cleaners.
 */
export const runReport = async (
  deps: RunDeps,
  { id, signal }: { id?: string; signal: AbortSignal },
): Promise<string | null> => {
  if (signal.aborted) return null;
  const report = await claimReport(
    { db: deps.db, clock: deps.clock, runningPerClient: deps.limits.runningPerClient },
    { holder: deps.holder, ...(id === undefined ? {} : { id }) },
  );
  if (!report) return null;
  await deps.reached?.('report-claimed');
  const watch = watchClaim(deps, report, signal);
  try {
    await makeReport(deps, report, watch);
  } catch (error) {
    await settle(deps, report, watch.signal.aborted ? watch.signal.reason : error);
  } finally {
    watch.stop();
  }
  return report.id;
};

type Watch = {
  readonly signal: AbortSignal;
  readonly progress: (done: { rows: number; expectedRows: number }) => void;
  readonly stop: () => void;
};

/** Renews the claim, and ends the work where it is lost, where it takes too long, or where the process is to stop. */
const watchClaim = (deps: RunDeps, report: Report, outer: AbortSignal): Watch => {
  const controller = new AbortController();
  let done: { rows: number | null; expectedRows: number | null } = { rows: null, expectedRows: null };
  let lastAnswer = performance.now();
  let asking = false;
  const lose = (why: string): void => {
    clearInterval(timer);
    controller.abort(new ClaimLost(why));
  };
  const renew = async (): Promise<void> => {
    if (performance.now() - lastAnswer > claimSeconds * 1_000) lose('the database did not answer');
    if (asking) return;
    asking = true;
    const askedAt = performance.now();
    try {
      if (await renewClaim(deps.db, report, done)) lastAnswer = askedAt;
      else lose('cancelled, or taken over');
    } catch {
      // The database is away: the next beat asks again, and a silence longer than the claim ends the work.
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => void renew(), deps.renewEveryMs ?? 2_000);
  const limit = setTimeout(
    () => controller.abort(new TimeLimit('the time limit')),
    deps.limits.maxSeconds * 1_000,
  );
  const stopped = (): void => controller.abort(new Stopped('stopping'));
  outer.addEventListener('abort', stopped, { once: true });
  if (outer.aborted) stopped();
  return {
    signal: controller.signal,
    progress: (now) => {
      done = now;
    },
    stop: () => {
      clearInterval(timer);
      clearTimeout(limit);
      outer.removeEventListener('abort', stopped);
    },
  };
};

const makeReport = async (deps: RunDeps, report: Report, watch: Watch): Promise<void> => {
  if (report.attempts > mostAttempts)
    return end(deps, report, {
      reason: 'interrupted',
      message: `It was begun ${mostAttempts} times, and each time the process that made it ended.`,
    });
  await checkRights(deps, report);
  await deps.reached?.('report-allowed');
  const parent = join(await deps.workFolder(), 'reports');
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, `${report.id}-`));
  try {
    const produced = await deps.maker.produce(
      { request: report.request, viewer: report.viewer, asOf: report.createdAt },
      {
        folder,
        scratch: scratchPrefix(report.id, report.execution),
        signal: watch.signal,
        progress: watch.progress,
      },
    );
    watch.signal.throwIfAborted();
    await deps.reached?.('report-produced');
    const file = await upload(deps, report, produced, watch.signal);
    await deps.reached?.('report-uploaded');
    watch.signal.throwIfAborted();
    await commit(deps, report, file);
    await deps.reached?.('report-committed');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  await deps.reached?.('report-cleaned');
};

/** @throws ReportDeniedError where a right was withdrawn since the request, or the rules have changed */
const checkRights = async ({ db, maker }: RunDeps, report: Report): Promise<void> => {
  const withdrawals = await readWithdrawals(db, report);
  const held = withoutWithdrawn(report.viewer, withdrawals);
  // Made with what is left, the file would be silently shorter than what was asked for.
  if (!held || !mayHave(held, report.viewer))
    throw new ReportDeniedError('A right that it needs was withdrawn after it was asked for.');
  const mayStillAsk = held.scopes.includes('reports:write') || held.scopes.includes('admin');
  const denied = mayStillAsk
    ? maker.authorize(report.request, held)
    : 'the scope reports:write was withdrawn';
  if (denied !== null) throw new ReportDeniedError(`It is not for this client any more: ${denied}.`);
};

/**
 * Puts the file whole under a key of this execution alone, which nothing points to before the commit. What is sent is
 * hashed on its way: a disk that gives other bytes than were written makes no report.
 */
const upload = async (
  { store }: RunDeps,
  report: Report,
  produced: ProducedReport,
  signal: AbortSignal,
): Promise<ReportFile> => {
  if (produced.rows !== produced.expectedRows)
    throw new Error(
      `expected ${produced.expectedRows} rows by the count, found ${produced.rows} in the file`,
    );
  const key = fileKey(report.id, report.execution, report.request.format);
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of createReadStream(produced.path, { highWaterMark: 1024 * 1024, signal })) {
      hash.update(chunk as Buffer);
      yield chunk as Buffer;
    }
  };
  const { size } = await store.put(key, hashed(), { ifNoneMatch: true });
  const sha256 = hash.digest('hex');
  if (size !== produced.bytes || sha256 !== produced.sha256) {
    await store.remove(key);
    throw new Error(
      `the file changed between writing and storing: expected ${produced.bytes} bytes ${produced.sha256}, found ${size} bytes ${sha256}`,
    );
  }
  const { rows, contentType, snapshotId } = produced;
  return { key, rows, bytes: size, sha256, contentType, snapshotId };
};

const commit = async (deps: RunDeps, report: Report, file: ReportFile): Promise<void> => {
  const at = deps.clock();
  const ending = {
    status: 'completed' as const,
    file,
    expiresAt: new Date(at.getTime() + deps.limits.keepHours * 3_600_000),
  };
  const ended = await transaction(deps.db, (tx) =>
    endReport(deps, tx, { id: report.id, execution: report.execution, ending, at }),
  ).catch(async (error: unknown) => {
    // The answer of a commit may be lost after it was done: the row knows. Unknown is not undone: the object stays
    // for the cleaner, which removes it only when no row can ever name it.
    const now = await readReport(deps.db, report.id);
    if (now?.status === 'completed' && now.file?.key === file.key) return now;
    throw error;
  });
  if (!ended) {
    await deps.store.remove(file.key);
    throw new ClaimLost('cancelled, or taken over');
  }
  deps.log.info({ reportId: report.id, rows: file.rows, bytes: file.bytes }, 'report completed');
};

const readReport = async (db: Pool, id: string): Promise<Report | null> => {
  const { rows } = await db.query<ReportRow>('SELECT * FROM relatorios WHERE relatorio_id = $1', [id]);
  return rows[0] ? reportOfRow(rows[0]) : null;
};

const end = async (deps: RunDeps, { id, execution }: Claim, failure: ReportFailure): Promise<void> => {
  await transaction(deps.db, (tx) =>
    endReport(deps, tx, { id, execution, ending: { status: 'failed', failure }, at: deps.clock() }),
  );
};

/** What follows from a failure: an end where another try can't help, else another try after a pause. */
const settle = async (deps: RunDeps, report: Report, error: unknown): Promise<void> => {
  const fields = { reportId: report.id, attempt: report.attempts };
  if (error instanceof ClaimLost) {
    deps.log.info({ ...fields, why: error.message }, 'report given up by this process');
    return;
  }
  if (error instanceof Stopped) {
    await again(deps, report, { afterSeconds: 0, counts: false });
    return;
  }
  const failure = finalFailure(report, error);
  deps.log[failure && failure.reason !== 'technical' ? 'info' : 'error'](
    { ...fields, err: maskedError(error), failure: failure?.reason },
    'report failed',
  );
  if (failure) await end(deps, report, failure);
  else await again(deps, report, { afterSeconds: 5 * 4 ** (report.attempts - 1), counts: true });
};

const finalFailure = (report: Report, error: unknown): ReportFailure | null => {
  if (error instanceof ReportDeniedError) return { reason: 'not_allowed', message: error.message };
  if (error instanceof ReportTooLargeError) return { reason: 'too_large', message: error.message };
  if (error instanceof TimeLimit)
    return {
      reason: 'time_limit',
      message: 'It took longer than a report may. Ask for a shorter period, or for CSV or Parquet.',
    };
  if (report.attempts < mostAttempts) return null;
  return {
    reason: 'technical',
    message: `It failed ${mostAttempts} times for a technical reason, which is in the log under its number. Ask again later.`,
  };
};

/** An error's words may quote what was asked for. */
const maskedError = (error: unknown): { message: string; stack?: string } =>
  error instanceof Error
    ? { message: maskText(error.message), ...(error.stack ? { stack: maskText(error.stack) } : {}) }
    : { message: maskText(String(error)) };

const again = async (
  deps: RunDeps,
  { id, execution }: Claim,
  { afterSeconds, counts }: { afterSeconds: number; counts: boolean },
): Promise<void> => {
  const notBefore = new Date(deps.clock().getTime() + afterSeconds * 1_000);
  await transaction(deps.db, async (tx) => {
    if (await putBack(tx, { id, execution }, { notBefore, counts }))
      await giveTurn(deps.jobs, tx, { afterSeconds: Math.ceil(afterSeconds) });
  });
};
