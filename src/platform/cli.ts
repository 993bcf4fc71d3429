import type { Readable, Writable } from 'node:stream';
import type { Command } from 'commander';
import type { Pool } from 'pg';
import type { Config } from './config.ts';

/**
 * What a command may touch. Standard output carries only the answer; progress and logs go to `stderr`.
 * `postgres` is lazy: a command that never calls it starts no database.
 */
export type CliContext = {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable & { isTTY?: boolean };
  /** Aborted on SIGINT and SIGTERM: long work stops at its next safe point. */
  readonly signal: AbortSignal;
  readonly config: () => Config;
  /** A pool on `DATABASE_URL`, or on the embedded PostgreSQL, started when none is running. Migrated. */
  readonly postgres: () => Promise<Pool>;
};

/** Adds a capability's commands to the program. Each capability's `cli.ts` exports one. */
export type RegisterCommands = (program: Command, context: CliContext) => void;

/**
 * A mistake of the person at the terminal (or in the environment): printed as its message alone, without a
 * stack trace. The message says what was expected, what was found and what to do. Exit codes: 1 the answer
 * is "no" or the work failed, 2 the call itself is wrong (unknown option, unreadable input).
 */
export class UserError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 2) {
    super(message);
    this.name = 'UserError';
    this.exitCode = exitCode;
  }
}

/** Writes and waits while the reader is slow, so that large answers to a pipe neither grow memory nor get cut. */
export const write = (stream: Writable, text: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });

/** Prints what a command found: as one line of JSON for machines, else as text. */
export const writeAnswer = (
  { stdout }: Pick<CliContext, 'stdout'>,
  json: boolean | undefined,
  value: unknown,
  text: string,
): Promise<void> => write(stdout, json ? `${JSON.stringify(value)}\n` : `${text}\n`);
