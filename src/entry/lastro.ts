#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { UserError } from '../platform/cli.ts';
import { openCliContext } from './cli-context.ts';
import { commandGroups } from './command-groups.ts';

/**
 * Keeps compiled code (types stripped, byte code) in LASTRO_HOME, so that no start makes it again: half of the CPU
 * of a short command, and 0.7 s of consolidation with its threads. Only where the home is there: asking for help or
 * a quorum leaves no folder behind.
 */
const keepCompiled = (home: string): void => {
  if (existsSync(home)) enableCompileCache(join(home, 'cache', 'node'));
};

const helpForAll = (): Command => {
  const program = newProgram();
  for (const [name, { about }] of Object.entries(commandGroups)) program.command(name).description(about);
  return program;
};

const newProgram = (): Command =>
  new Command('lastro')
    .description('The signature-order desk of a bank and the lakehouse behind it.')
    .version('0.1.0')
    .exitOverride()
    .showHelpAfterError('(run with --help to see the options)');

/** Runs one command line and answers its exit code: 0 done, 1 the answer is "no" or the work failed, 2 a wrong call. */
const main = async (args: string[]): Promise<number> => {
  const context = openCliContext(process);
  try {
    keepCompiled(process.env.LASTRO_HOME || './.lastro');
    const name = args[0] ?? '';
    const group = Object.hasOwn(commandGroups, name) ? commandGroups[name] : undefined;
    const program = group ? newProgram() : helpForAll();
    if (group) (await group.load()).register(program, context);
    if (args.length === 0) {
      process.stderr.write(program.helpInformation());
      return 2;
    }
    await program.parseAsync(args, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof UserError) {
      process.stderr.write(`lastro: ${error.message}\n`);
      return error.exitCode;
    }
    process.stderr.write(
      `lastro: unexpected failure\n${error instanceof Error ? error.stack : String(error)}\n`,
    );
    return 1;
  } finally {
    await context.close();
  }
};

process.exitCode = await main(process.argv.slice(2));
