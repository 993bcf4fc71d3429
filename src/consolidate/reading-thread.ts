import { getCompileCacheDir } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerSetup } from './read-messages.ts';

/** Starts a thread that lists and reads (read-worker.ts). */
export const startReadingThread = (workerData: WorkerSetup): Worker => {
  // Threads take part in the process's compile cache only when their environment names it; it saves each 150 ms.
  const cache = getCompileCacheDir();
  const env = cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: cache };
  return new Worker(new URL('./read-worker.ts', import.meta.url), {
    workerData,
    env,
    resourceLimits: { maxYoungGenerationSizeMb: workerData.source.kind === 's3' ? 24 : 4 },
  });
};

export const unexpected = (message: FromWorker): Error =>
  new Error(
    message.kind === 'failed'
      ? `a reading thread failed: ${message.message}`
      : `a reading thread answered ${message.kind} out of turn`,
  );

type Talk<T> = {
  readonly say: (message: ToWorker) => void;
  readonly end: (result: T) => void;
  readonly fail: (error: unknown) => void;
};

/**
 * One exchange with a worker: `begin` says the first words and answers what is done with each reply. Rejects when
 * the worker fails or dies, and on abort.
 */
export const converse = <T>(
  worker: Worker,
  signal: AbortSignal | undefined,
  begin: (talk: Talk<T>) => (message: FromWorker) => void,
): Promise<T> => {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onExit = (code: number): void => reject(new Error(`a reading thread ended with code ${code}`));
  const onAbort = (): void => reject(signal?.reason);
  const say = (message: ToWorker): void => worker.postMessage(message);
  const onMessage = begin({ say, end: resolve, fail: reject });
  worker.on('message', onMessage);
  worker.on('error', reject);
  worker.on('exit', onExit);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  return promise.finally(() => {
    worker.off('message', onMessage);
    worker.off('error', reject);
    worker.off('exit', onExit);
    signal?.removeEventListener('abort', onAbort);
  });
};
