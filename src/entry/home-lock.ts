import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** What a running `lastro up` says of itself in `<home>/up.json`. */
export type UpRecord = {
  readonly pid: number;
  readonly api: string;
  readonly sandbox: string | null;
  readonly startedAt: string;
};

const recordFile = (home: string): string => join(home, 'up.json');

export const writeUpRecord = (home: string, record: UpRecord): Promise<void> =>
  writeFile(recordFile(home), `${JSON.stringify(record)}\n`);

export const removeUpRecord = (home: string): Promise<void> => rm(recordFile(home), { force: true });

/** The record of a home, or undefined. It may be stale: a killed process does not remove it. */
export const readUpRecord = async (home: string): Promise<UpRecord | undefined> => {
  const text = await readFile(recordFile(home), 'utf8').catch(() => undefined);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as UpRecord);
  } catch {
    return undefined;
  }
};

const upKey = 5_278_000_004;

/**
 * Makes this process the only `lastro up` of a home, by an advisory lock in the home's own database: a killed
 * process loses it with its session, so no file has to be judged stale. The lock is taken again after a
 * restart of the database. Answers the release, or undefined where another process has it.
 */
export const lockHome = async (url: string): Promise<(() => Promise<void>) | undefined> => {
  let released = false;
  let client = await tryLock(url);
  if (!client) return undefined;
  const watch = (held: pg.Client): void => {
    held.once('end', () => {
      if (!released) void again();
    });
  };
  const again = async (): Promise<void> => {
    while (!released) {
      await sleep(1_000, undefined, { ref: false });
      client = await tryLock(url).catch(() => undefined);
      if (client) {
        if (released) await client.end();
        else watch(client);
        return;
      }
    }
  };
  watch(client);
  return async () => {
    released = true;
    await client?.end().catch(() => {});
  };
};

const tryLock = async (url: string): Promise<pg.Client | undefined> => {
  const client = new pg.Client({ connectionString: url, application_name: 'lastro up', keepAlive: true });
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [upKey]);
  if (rows[0]?.mine) return client;
  await client.end();
  return undefined;
};
