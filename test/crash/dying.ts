import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { formatTableName } from '../../src/lake/catalog/catalog.ts';
import { removeOrphans } from '../../src/lake/maintenance.ts';
import { type Lake, listTables } from '../../src/lake/tables.ts';
import { openPool } from '../../src/platform/postgres.ts';

// What crash tests share: runs that die at a point, processes that kill themselves, and what they leave behind.

export type Random = () => number;

/** Small numbers that depend on the seed alone. */
export const random = (seed: number): Random => {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
};

/** Lets the leases of killed runs end now, in place of waiting for them. */
export const expireLeases = async (admin: Pool): Promise<void> => {
  await admin.query('UPDATE leases SET expires_at = clock_timestamp()');
};

export type Doomed = {
  readonly pool: Pool;
  /** Given to the run as what it calls at each fault point. */
  readonly fault: () => Promise<void>;
  readonly hasDied: () => boolean;
  readonly close: () => Promise<void>;
};

/**
 * For a run that dies at the `dieAt`-th fault point it meets: the connections of its pool break first, so that it can
 * neither report nor let go of its lease, as a killed process could not. `admin` is a pool that stays.
 */
export const doomedAt = (dieAt: number, { url, admin }: { url: string; admin: Pool }): Doomed => {
  const name = `doomed-${Math.random().toString(36).slice(2)}`;
  const pool = openPool({ url, max: 4, name });
  let met = 0;
  let dead = false;
  return {
    pool,
    fault: async () => {
      if (dead || ++met !== dieAt) return;
      dead = true;
      await admin.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
        [name],
      );
      // Not awaited: the client of the open transaction comes back only after this throws.
      void pool.end();
      throw new Error('killed');
    },
    hasDied: () => dead,
    close: async () => {
      if (!pool.ending) await pool.end();
    },
  };
};

/** Runs a script of this folder to its end; true where that was SIGKILL. */
export const killsItself = async (script: string, args: readonly string[]): Promise<boolean> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], { stdio: 'inherit' });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return signal === 'SIGKILL';
};

/** Tables whose folders have files that no table knows, once a cleaning has been, with how many. */
export const orphansAfterCleaning = async (lake: Lake): Promise<string[]> => {
  const later = { ...lake, clock: () => new Date(Date.now() + 86_400_000) };
  const left: string[] = [];
  for (const name of await listTables(lake)) {
    const table = formatTableName(name);
    await removeOrphans(later, table, { guardMs: 3_600_000 });
    const { files } = await removeOrphans(later, table, { guardMs: 3_600_000, dryRun: true });
    if (files > 0) left.push(`${table}: ${files}`);
  }
  return left;
};
