#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import type { RegisterCommands } from '../platform/cli.ts';
import { UserError } from '../platform/cli.ts';
import { openCliContext } from './cli-context.ts';
import { loadSandboxCommands } from './sandbox-commands.ts';

type CommandGroup = { about: string; load: () => Promise<{ register: RegisterCommands }> };

/** Each group is loaded only when it is called, so that `quorum decide` does not pay for the database's driver. */
const groups: Record<string, CommandGroup> = {
  up: { about: 'start everything on this machine', load: () => import('./up-command.ts') },
  api: {
    about: 'run the API alone',
    load: async () => ({ register: (await import('./service-commands.ts')).registerApi }),
  },
  worker: {
    about: 'run a worker alone',
    load: async () => ({ register: (await import('./service-commands.ts')).registerWorker }),
  },
  jobs: {
    about: 'show queues and dead jobs, redrive them',
    load: async () => ({ register: (await import('./operations-commands.ts')).registerJobs }),
  },
  audit: {
    about: 'check the audit trail',
    load: async () => ({ register: (await import('./operations-commands.ts')).registerAudit }),
  },
  doctor: {
    about: 'say what is installed, reachable and missing',
    load: () => import('./doctor-command.ts'),
  },
  config: { about: 'show the settings in effect', load: () => import('./config-command.ts') },
  quorum: { about: 'decide, explain, check and replay quorum', load: () => import('../quorum/cli.ts') },
  sql: { about: "ask the lake's tables in SQL", load: () => import('../lake/cli.ts') },
  tables: { about: "list the lake's tables", load: () => import('../lake/cli.ts') },
  table: { about: 'show a table of the lake', load: () => import('../lake/cli.ts') },
  ledger: {
    about: 'what was done of every source, and what is missing',
    load: () => import('../lake/cli.ts'),
  },
  consolidate: {
    about: 'take many small files into a table of the lake',
    load: () => import('../consolidate/cli.ts'),
  },
  quarantine: {
    about: 'what consolidation could not read',
    load: () => import('../consolidate/cli.ts'),
  },
  pipeline: {
    about: 'external APIs to bronze, silver and gold tables',
    load: () => import('../pipelines/cli.ts'),
  },
  archive: {
    about: 'move old orders from DynamoDB to the lake, provably',
    load: () => import('./archive-commands.ts'),
  },
  report: {
    about: 'reports of archived and current orders',
    load: () => import('../reports/cli.ts'),
  },
  sandbox: { about: 'stand-ins for the partners: cases, faults', load: () => loadSandboxCommands('cli.ts') },
  token: { about: 'print a token of the sandbox issuer', load: () => loadSandboxCommands('token-cli.ts') },
};

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
  for (const [name, { about }] of Object.entries(groups)) program.command(name).description(about);
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
    const group = Object.hasOwn(groups, name) ? groups[name] : undefined;
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
