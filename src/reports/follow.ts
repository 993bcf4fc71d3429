import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '../platform/postgres.ts';
import { findReport } from './owner.ts';
import { isEnded, type Report } from './report.ts';

export type ProgressStream = { isTTY?: boolean; write: (text: string) => unknown };

const terminalEveryMs = 250;
const logEveryMs = 5_000;
const barWidth = 24;

const line = ({ status, rowsDone, expectedRows }: Report): string => {
  if (status === 'queued') return 'waits for its turn';
  if (expectedRows === null) return 'begun';
  const done = rowsDone ?? 0;
  const part = expectedRows === 0 ? 1 : Math.min(1, done / expectedRows);
  const filled = Math.round(part * barWidth);
  const bar = `[${'='.repeat(filled)}${' '.repeat(barWidth - filled)}]`;
  return `${bar} ${done.toLocaleString('en-US')} of ${expectedRows.toLocaleString('en-US')} rows`;
};

/**
 * Watches a report until it has ended or `signal` is aborted, and answers it as it is then. On a terminal there is one
 * line that changes, in a log one every five seconds.
 */
export const followReport = async (
  { db }: { db: Db },
  id: string,
  { stderr, signal }: { stderr: ProgressStream; signal: AbortSignal },
): Promise<Report> => {
  const terminal = stderr.isTTY === true;
  let shownAt = Number.NEGATIVE_INFINITY;
  try {
    for (;;) {
      const report = await findReport(db, null, id);
      if (isEnded(report) || signal.aborted) return report;
      if (terminal) stderr.write(`\r\u001b[K${line(report)}`);
      else if (performance.now() - shownAt >= logEveryMs) {
        stderr.write(`${line(report)}\n`);
        shownAt = performance.now();
      }
      await sleep(terminalEveryMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    if (terminal) stderr.write('\r\u001b[K');
  }
};
