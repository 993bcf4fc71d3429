import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../test/services/command-line.ts';
import { type Desk, eventually, openDesk, orderOf } from '../../test/services/desk.ts';
import { transactionsOver } from '../../test/services/visibility.ts';
import { assemblyQueue } from '../orders/assembly.ts';
import { sealAudit } from '../platform/audit.ts';
import type { RegisterCommands } from '../platform/cli.ts';
import type { DeadJob, QueueOverview } from '../platform/jobs.ts';
import { transaction } from '../platform/postgres.ts';
import { registerAudit, registerJobs } from './operations-commands.ts';

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk();
});
afterEach(() => {
  process.exitCode = undefined;
});
afterAll(() => desk.close());

const run = async (register: RegisterCommands, ...args: string[]): Promise<string> => {
  const env = { DATABASE_URL: desk.databaseUrl, LASTRO_HOME: desk.home };
  return (await runCommand(register, args, { pool: desk.db, env })).stdout;
};
const json = async <T>(register: RegisterCommands, ...args: string[]): Promise<T> =>
  JSON.parse(await run(register, ...args, '--json')) as T;

describe('lastro jobs', () => {
  it('shows depths and dead jobs with the reason, and gives them another chance', async () => {
    const lost = { orderKey: 'ord_00000000000000000000000000', requestId: 'req_test', attempt: 0 };
    await transaction(desk.db, (tx) => desk.parts.jobs.enqueue(tx, assemblyQueue, lost));
    const [dead] = await eventually('the dead job', async () => {
      const found = await json<DeadJob[]>(registerJobs, 'jobs', 'dead');
      return found.length > 0 ? found : undefined;
    });
    expect(dead).toMatchObject({ queue: 'assembly', data: lost });
    expect(await run(registerJobs, 'jobs', 'dead')).toContain(`there is no order ${lost.orderKey}`);
    expect(await json<QueueOverview[]>(registerJobs, 'jobs')).toContainEqual(
      expect.objectContaining({ queue: 'assembly', dead: 1 }),
    );

    expect(await json(registerJobs, 'jobs', 'redrive', 'assembly', dead?.id ?? '')).toEqual({
      queue: 'assembly',
      moved: 1,
    });
    await eventually('the same end', async () => {
      const found = await json<DeadJob[]>(registerJobs, 'jobs', 'dead');
      return found.length === 1 && found[0]?.id !== dead?.id ? found : undefined;
    });
  });

  it('says which queues there are', async () => {
    await expect(run(registerJobs, 'jobs', 'redrive', 'nothing')).rejects.toThrow(
      /expected a queue \(assembly, .*found nothing/,
    );
  });
});

describe('lastro audit verify', () => {
  it('says that the trail is intact, or which seal is not, with exit code 1', async () => {
    await desk.place(orderOf('alone'));
    await transactionsOver(desk.db);
    const { db, keys, store, clock } = desk.parts;
    await sealAudit({ db, keys, store: store.store, clock });
    expect(await run(registerAudit, 'audit', 'verify')).toMatch(/^Intact\.\n/);
    expect(process.exitCode).toBeUndefined();

    await desk.db.query('ALTER TABLE trilha_auditoria DISABLE TRIGGER USER');
    await desk.db.query("UPDATE trilha_auditoria SET quem = 'someone else'");
    await desk.db.query('ALTER TABLE trilha_auditoria ENABLE TRIGGER USER');
    expect(await run(registerAudit, 'audit', 'verify')).toMatch(
      /^NOT intact\.\n.*seal 1: a row was changed/s,
    );
    expect(process.exitCode).toBe(1);
  });
});
