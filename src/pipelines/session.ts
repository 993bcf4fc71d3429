import { mkdir } from 'node:fs/promises';
import { type DuckSession, openDuckDb } from '../lake/duckdb-session.ts';
import type { PipelineDeps } from './pipeline-deps.ts';

/** DuckDB of one run: bounded, with its own folder. */
export const withSession = <T>(
  deps: Pick<PipelineDeps, 'stagingFolder' | 'memoryLimit'>,
  work: (session: DuckSession) => Promise<T>,
): Promise<T> => withLazySession(deps, async (session) => work(await session()));

/** A session that is opened when it is first asked for: most runs find nothing new and never do. */
export type LazySession = () => Promise<DuckSession>;

export const withLazySession = async <T>(
  { stagingFolder, memoryLimit = '400MB' }: Pick<PipelineDeps, 'stagingFolder' | 'memoryLimit'>,
  work: (session: LazySession) => Promise<T>,
): Promise<T> => {
  let opened: Promise<DuckSession> | undefined;
  try {
    return await work(() => {
      opened ??= mkdir(stagingFolder, { recursive: true }).then(() =>
        openDuckDb({ memoryLimit, temporaryParent: stagingFolder }),
      );
      return opened;
    });
  } finally {
    await (await opened?.catch(() => undefined))?.close();
  }
};
