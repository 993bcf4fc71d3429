import { UserError } from './cli.ts';

/** What the system calls (`ENOSPC`, `EDQUOT`, `EFBIG`) and PostgreSQL (SQLSTATE 53100) say of a full disk. */
const codes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', '53100']);

/** Where the error crossed a thread or DuckDB, only its words are left. */
const words = /\bENOSPC\b|No space left on device|Disk quota exceeded/;

/** A full disk in plain words, or undefined where the error is another one. */
export const diskFull = (error: unknown): UserError | undefined => {
  if (!(error instanceof Error)) return undefined;
  if (!('code' in error && codes.has(String(error.code))) && !words.test(error.message)) return undefined;
  return new UserError(
    `the disk is full: ${error.message}. Free some space and start again; what was stored is intact.`,
    1,
  );
};
