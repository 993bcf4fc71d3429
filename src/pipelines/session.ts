import { mkdir } from 'node:fs/promises';
import { type DuckSession, openDuckDb } from '../lake/duckdb-session.ts';
import type { PipelineDeps } from './pipeline-deps.ts';

/** DuckDB of one run: bounded, with its own folder. */
export const withSession = async <T>(
  { stagingFolder, memoryLimit = '400MB' }: Pick<PipelineDeps, 'stagingFolder' | 'memoryLimit'>,
  work: (session: DuckSession) => Promise<T>,
): Promise<T> => {
  await mkdir(stagingFolder, { recursive: true });
  const session = await openDuckDb({ memoryLimit, temporaryParent: stagingFolder });
  try {
    return await work(session);
  } finally {
    await session.close();
  }
};
