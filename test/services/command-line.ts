import { Readable, Writable } from 'node:stream';
import { Command } from 'commander';
import type { Pool } from 'pg';
import type { RegisterCommands } from '../../src/platform/cli.ts';
import { parseConfig } from '../../src/platform/config.ts';

export type CommandRun = { readonly stdout: string; readonly stderr: string };

/** Runs one command line in this process, on a database of the test. A UserError is thrown as it is. */
export const runCommand = async (
  register: RegisterCommands,
  args: readonly string[],
  {
    pool,
    env = {},
    stdin = '',
    signal,
  }: { pool: Pool; env?: NodeJS.ProcessEnv; stdin?: string; signal?: AbortSignal },
): Promise<CommandRun> => {
  const texts = { stdout: '', stderr: '' };
  const into = (name: keyof typeof texts): Writable =>
    new Writable({
      write: (chunk, _encoding, done) => {
        texts[name] += String(chunk);
        done();
      },
    });
  const stderr = into('stderr');
  const program = new Command()
    .exitOverride()
    .configureOutput({ writeErr: (text) => void stderr.write(text) });
  register(program, {
    env,
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout: into('stdout'),
    stderr,
    signal: signal ?? new AbortController().signal,
    config: () => parseConfig(env),
    postgres: async () => pool,
  });
  await program.parseAsync([...args], { from: 'user' });
  return texts;
};
