import type { ReadLimits } from './read-messages.ts';

export type Limits = {
  /** Of the whole process, resident. DuckDB gets 40 % of it. */
  readonly memoryBytes: number;
  /** For one batch, from its first file to its commit. */
  readonly batchMs: number;
  /** Work is cut so that no batch needs more than its share. */
  readonly batchBytes: number;
  readonly batchFiles: number;
  readonly read: ReadLimits;
};

/**
 * 700 MB of nested JSON are about 130 MB of Parquet, between 100 and 200. Measured on 70,000 files (139 MB): a
 * batch takes two seconds and 350 MB.
 */
export const defaultLimits: Limits = {
  memoryBytes: 1_000_000_000,
  batchMs: 10 * 60_000,
  batchBytes: 700_000_000,
  batchFiles: 400_000,
  read: { maxDocumentBytes: 16 * 1024 * 1024, maxDepth: 512, maxFileBytes: 64 * 1024 * 1024 },
};

/** A batch needed more than its share; nothing of it was committed. */
export class BatchLimitError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BatchLimitError';
  }
}

const warnAt = 0.8;
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/**
 * Watches one batch: `notice` is told once when time or memory passes 80 % of its limit, and `signal` aborts
 * with a `BatchLimitError` beyond it.
 */
export const watchLimits = ({
  limits,
  batch,
  notice,
  rss = () => process.memoryUsage.rss(),
}: {
  limits: Limits;
  batch: string;
  notice: (message: string) => void;
  rss?: () => number;
}): { signal: AbortSignal; stop: () => void } => {
  const abort = new AbortController();
  const started = performance.now();
  const warned = new Set<string>();
  const check = (
    what: string,
    used: number,
    limit: number,
    show: (value: number) => string,
    advice: string,
  ): void => {
    if (used > limit) {
      abort.abort(
        new BatchLimitError(
          `${batch}: ${what} ${show(used)} is beyond the limit of ${show(limit)}; ${advice}`,
        ),
      );
    } else if (used > limit * warnAt && !warned.has(what)) {
      warned.add(what);
      notice(`${batch}: ${what} ${show(used)}, over 80 % of the limit of ${show(limit)}; ${advice}`);
    }
  };
  const look = (): void => {
    const smaller = 'make batches smaller (--batch-mb) or raise the limit';
    check('memory', rss(), limits.memoryBytes, megabytes, `${smaller} (--max-memory-mb)`);
    const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
    check('time', performance.now() - started, limits.batchMs, seconds, `${smaller} (--max-batch-seconds)`);
  };
  const timer = setInterval(look, 200);
  timer.unref();
  return { signal: abort.signal, stop: () => clearInterval(timer) };
};
