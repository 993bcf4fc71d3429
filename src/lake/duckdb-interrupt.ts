import type { DuckDBConnection } from '@duckdb/node-api';

/**
 * Ends what a connection is doing when the signal aborts; call the answer when the work is over. An interrupt that
 * comes between two statements is forgotten, so it is repeated until then.
 */
export const interruptOn = (signal: AbortSignal, connection: DuckDBConnection): (() => void) => {
  let repeat: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    connection.interrupt();
    repeat ??= setInterval(() => connection.interrupt(), 50);
  };
  if (signal.aborted) interrupt();
  signal.addEventListener('abort', interrupt, { once: true });
  return () => {
    clearInterval(repeat);
    signal.removeEventListener('abort', interrupt);
  };
};
