import type { RegisterCommands } from '../platform/cli.ts';
import { loadSandboxCommands } from './sandbox-commands.ts';

type CommandGroup = { about: string; load: () => Promise<{ register: RegisterCommands }> };

/** Each group is loaded only when it is called, so that `quorum decide` does not pay for the database's driver. */
export const commandGroups: Record<string, CommandGroup> = {
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
