import { userInfo } from 'node:os';
import type { Pool } from 'pg';
import { personIds } from '../orders/orders.ts';
import { type CliContext, UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import { type Jobs, openJobs } from '../platform/jobs.ts';
import { holderName } from '../platform/leases.ts';
import { type Log, openLog } from '../platform/log.ts';
import { loadPersonIdKey } from '../platform/person-id-key.ts';
import { Problem } from '../platform/problem.ts';
import { openConfiguredStore } from '../platform/store/configured-store.ts';
import type { OpenedStore } from '../platform/store/store.ts';
import { callbackProblem } from '../platform/webhooks.ts';
import { workFolder } from '../platform/work-folder.ts';
import { newId } from '../shared/ids.ts';
import { openReportMaker, publicUrl, reportLimits } from './configured.ts';
import { reportQueues } from './jobs.ts';
import type { Caller, PlaceDeps } from './place.ts';
import type { RunDeps } from './run.ts';
import type { SubjectDeps } from './subject.ts';

/** What the commands of reports work with. */
export type CommandRoom = PlaceDeps &
  RunDeps &
  SubjectDeps & {
    readonly config: Config;
    readonly db: Pool;
    readonly store: OpenedStore['store'];
    readonly maker: ReturnType<typeof openReportMaker>;
    readonly limits: PlaceDeps['limits'];
    readonly log: Log;
    readonly close: () => Promise<void>;
  };

/** The person at the terminal, who holds the database and therefore every right; the audit trail knows the name. */
export const operatorOf = (purpose?: string): Caller => ({
  principal: {
    clientId: 'terminal',
    subject: `local:${userInfo().username}`,
    scopes: new Set(['reports:read', 'reports:write', 'reports:unmasked']),
    areas: new Set(['*']),
    clients: new Set<string>(),
  },
  requestId: newId('req', new Date()),
  origin: 'terminal',
  ...(purpose === undefined ? {} : { purpose }),
});

/** Opens it. The job system is only joined by commands that add jobs: it takes half a second. */
const openRoom = async (context: CliContext, addsJobs: boolean): Promise<CommandRoom> => {
  const config = context.config();
  const db = await context.postgres();
  const opened = await openConfiguredStore(config);
  const log = openLog({ level: 'warn', service: 'report', destination: context.stderr });
  let jobs: Jobs | undefined;
  if (addsJobs) {
    const url = db.options.connectionString;
    if (url === undefined) throw new Error('expected a pool with a connection string');
    jobs = await openJobs({ url, queues: reportQueues, works: false, log });
  }
  return {
    config,
    db,
    store: opened.store,
    jobs: jobs ?? {
      enqueue: async () => {
        throw new Error('expected a command that adds no jobs');
      },
    },
    maker: openReportMaker({ config, db, store: opened.store }),
    clock: () => new Date(),
    limits: reportLimits(config),
    publicUrl: publicUrl(config),
    callbackProblem: (url) => callbackProblem(url, config.WEBHOOK_ALLOW_PRIVATE),
    sendsMail: config.SMTP_URL !== undefined,
    log,
    idOf: personIds(await loadPersonIdKey(config)),
    holder: holderName('terminal'),
    workFolder: () => workFolder(config.LASTRO_HOME),
    close: async () => {
      await jobs?.close();
      await opened.close();
    },
  };
};

/** Runs `work` with the room. A problem is an answer here too: its words, its violations, no stack. */
export const inRoom = async <T>(
  context: CliContext,
  { addsJobs }: { addsJobs: boolean },
  work: (room: CommandRoom) => Promise<T>,
): Promise<T> => {
  const room = await openRoom(context, addsJobs);
  try {
    return await work(room);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const violations = (error.violations ?? []).map(
      ({ pointer, message }) => `\n  ${pointer || '/'}: ${message}`,
    );
    throw new UserError(`${error.message}${violations.join('')}`, error.type === 'validation-failed' ? 2 : 1);
  } finally {
    await room.close();
  }
};
