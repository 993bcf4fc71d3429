import type { Pool } from 'pg';
import { recordAudit } from '../platform/audit.ts';
import type { Jobs, Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
import { transaction } from '../platform/postgres.ts';
import type { Store } from '../platform/store/store.ts';
import type { ReportLimits } from './limits.ts';
import { giveTurn } from './queue.ts';
import { ownerOfKey, reportFolder } from './report.ts';

const once = { retryLimit: 0, retryDelaySeconds: 1, retryDelayMaxSeconds: 1, expireInSeconds: 3_000 };

/** What must be timely: turns for what waits, and the end of files. */
export const reportHousekeepingQueue: Queue<object> = { ...once, name: 'report-housekeeping' };
export const reportHousekeepingCron = '* * * * *';

/** What reads the whole folder of files. */
export const reportOrphansQueue: Queue<object> = { ...once, name: 'report-orphans' };
export const reportOrphansCron = '41 * * * *';

export type ReportHousekeepingDeps = {
  readonly db: Pool;
  readonly jobs: Pick<Jobs, 'enqueue'>;
  readonly store: Store;
  readonly clock: () => Date;
  readonly log: Log;
  readonly limits: Pick<ReportLimits, 'keepHours'>;
};

const batch = 500;

/** A row stays for a year after its end: who asked for what is accounted for longer than the file is kept. */
const rowDays = 365;

export type ReportHousekeeping = { turns: number; expired: number; removed: number };

/**
 * Gives turns to what waits although nobody may be awake for it (a process died with its turn in hand), and ends
 * files whose time is over: first the row, so that nobody is sent to a file that is going, then the object. Killed in
 * between, the object is an orphan, and goes with the others.
 */
export const keepReports = async (deps: ReportHousekeepingDeps): Promise<ReportHousekeeping> => {
  const { db, jobs, clock, log } = deps;
  const now = clock();
  const turns = await transaction(db, async (tx) => {
    const { rows } = await tx.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM (
         SELECT FROM relatorios
         WHERE status_relatorio = 'na_fila' AND nao_antes <= $1::timestamptz - interval '30 seconds'
           OR status_relatorio = 'em_andamento' AND prazo_execucao <= clock_timestamp()
         LIMIT 50) waiting`,
      [now],
    );
    const count = rows[0]?.n ?? 0;
    for (let turn = 0; turn < count; turn++) await giveTurn(jobs, tx);
    return count;
  });
  const report = { turns, expired: await expireFiles(deps, now), removed: await removeRows(db, now) };
  if (report.expired + report.removed > 0) log.info(report, 'reports kept in order');
  return report;
};

const expireFiles = async ({ db, store }: ReportHousekeepingDeps, now: Date): Promise<number> => {
  let expired = 0;
  for (;;) {
    const keys = await transaction(db, async (tx) => {
      const { rows } = await tx.query<{ relatorio_id: string; objeto: string }>(
        `UPDATE relatorios SET status_relatorio = 'expirado' WHERE relatorio_id = ANY (ARRAY(
           SELECT relatorio_id FROM relatorios WHERE status_relatorio = 'concluido' AND expira_em <= $1
           ORDER BY expira_em LIMIT $2 FOR UPDATE SKIP LOCKED))
         RETURNING relatorio_id, objeto`,
        [now, batch],
      );
      for (const { relatorio_id: resource } of rows)
        await recordAudit(tx, { at: now, by: 'lastro', action: 'report.expire', resource });
      return rows.map(({ objeto }) => objeto);
    });
    expired += keys.length;
    for (const key of await withoutReader(db, keys)) await store.remove(key);
    if (keys.length < batch) return expired;
  }
};

/** Of some keys those that no finished report has. */
const withoutReader = async (db: Pool, keys: readonly string[]): Promise<string[]> => {
  const { rows } = await db.query<{ objeto: string }>(
    `SELECT DISTINCT k AS objeto FROM unnest($1::text[]) k
     WHERE NOT EXISTS (SELECT FROM relatorios WHERE objeto = k AND status_relatorio = 'concluido')`,
    [keys],
  );
  return rows.map(({ objeto }) => objeto);
};

const removeRows = async (db: Pool, now: Date): Promise<number> => {
  const { rowCount } = await db.query(
    `DELETE FROM relatorios WHERE relatorio_id = ANY (ARRAY(
       SELECT relatorio_id FROM relatorios
       WHERE terminado_em < $1::timestamptz - make_interval(days => $2) AND status_relatorio <> 'concluido'
       LIMIT ${batch} FOR UPDATE SKIP LOCKED))`,
    [now, rowDays],
  );
  await db.query(`DELETE FROM emails WHERE criado_em < $1::timestamptz - interval '90 days'`, [now]);
  return rowCount ?? 0;
};

/**
 * Removes files that no report has and none can get any more: of executions that died after storing, or whose report
 * expired. What an execution that may still commit has stored is left: only the newest execution of a report that is
 * being made can commit. Keys are listed before the rows are read, so that a row read as done is done.
 * A file of a report that this database does not know is left until it is older than any file that is kept: another
 * installation may share the store, or a backup may have been restored.
 */
export const removeOrphans = async (deps: ReportHousekeepingDeps): Promise<number> => {
  const { db, store, clock, log, limits } = deps;
  const unknownBefore = clock().getTime() - (limits.keepHours + 24) * 3_600_000;
  let removed = 0;
  let found: { key: string; lastModified: Date }[] = [];
  const sweep = async (): Promise<void> => {
    const orphans = await orphansOf(db, found, unknownBefore);
    for (const key of orphans) await store.remove(key);
    removed += orphans.length;
    found = [];
  };
  for await (const object of store.list(reportFolder)) {
    found.push(object);
    if (found.length >= batch) await sweep();
  }
  await sweep();
  if (removed > 0) log.info({ removed }, 'orphaned report files removed');
  return removed;
};

const orphansOf = async (
  db: Pool,
  found: readonly { key: string; lastModified: Date }[],
  unknownBefore: number,
): Promise<string[]> => {
  const owned = found.flatMap(({ key, lastModified }) => {
    const owner = ownerOfKey(key);
    return owner ? [{ key, lastModified, ...owner }] : [];
  });
  const { rows } = await db.query<{ relatorio_id: string; status_relatorio: string; execucao: string }>(
    'SELECT relatorio_id, status_relatorio, execucao FROM relatorios WHERE relatorio_id = ANY ($1)',
    [owned.map(({ id }) => id)],
  );
  const reports = new Map(rows.map((row) => [row.relatorio_id, row]));
  const candidates = owned.filter(({ id, execution, lastModified }) => {
    const report = reports.get(id);
    if (!report) return lastModified.getTime() < unknownBefore;
    const mayCommit = report.status_relatorio === 'em_andamento' && Number(report.execucao) === execution;
    return !mayCommit;
  });
  return withoutReader(
    db,
    candidates.map(({ key }) => key),
  );
};
