import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { readMigrations } from '../../src/platform/migrations.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Home of the run's PostgreSQL, which the first test that needs it starts. */
    postgresHome: string;
    /** The migrations as they were at the run's start, as JSON. */
    postgresMigrations: string;
  }
}

const prefix = 'lastro-test-';

/**
 * Gives the run a home for one PostgreSQL without fsync. It is started by the first test that asks for a
 * database (`testDatabase`), so that runs without any pay nothing, and stopped and removed here at the end.
 */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  await sweepKilledRuns();
  const home = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  if (process.getuid?.() === 0) await chmod(home, 0o711);
  project.provide('postgresHome', home);
  project.provide('postgresMigrations', JSON.stringify(await readMigrations()));
  return () => stopAndRemove(home);
};

const stopAndRemove = async (home: string): Promise<void> => {
  const used = (await readdir(home)).includes('postgres');
  if (used) await (await startEmbeddedPostgres({ home, durable: false })).stop();
  await rm(home, { recursive: true, force: true });
};

/** A run that was killed leaves its home, and its server with it. */
const sweepKilledRuns = async (): Promise<void> => {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || alive(Number(pid))) continue;
    await stopAndRemove(join(tmpdir(), name)).catch(() => {});
  }
};

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};
