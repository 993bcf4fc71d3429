import type { Pool } from 'pg';
import { openIncident, resolveIncident, type ServiceNow, type Subject } from '../platform/incidents.ts';
import type { Log } from '../platform/log.ts';
import type { Pipeline } from './declaration.ts';
import { shownAge, tableAges } from './freshness.ts';
import { askHold, isTooMuch, shownHold } from './source-hold.ts';
import { hourMs } from './windows.ts';

export type AlertDeps = {
  readonly db: Pool;
  readonly clock: () => Date;
  readonly log: Log;
  /** Where sources keep something for pipelines: their addresses and secrets. */
  readonly env: NodeJS.ProcessEnv;
  readonly serviceNow?: ServiceNow;
};

const titles = {
  failed: (pipeline: string) => `Pipeline ${pipeline} failed`,
  stale: (pipeline: string) => `Pipeline ${pipeline} is stale`,
  stale_tables: (pipeline: string) => `Tables of pipeline ${pipeline} are stale`,
  source_log: (pipeline: string) => `The source of pipeline ${pipeline} keeps too much log`,
};

export const subjectOf = (pipeline: string, what: keyof typeof titles): Subject => ({
  id: `lastro:pipeline:${pipeline}:${what}`,
  part: 'Lastro pipelines',
  title: titles[what](pipeline),
});

/** Tells ServiceNow where it is configured; that it is away fails nothing. */
export const tellIncident = async (
  { serviceNow, log }: Pick<AlertDeps, 'serviceNow' | 'log'>,
  tell: (serviceNow: ServiceNow) => Promise<unknown>,
): Promise<void> => {
  if (!serviceNow) return;
  await tell(serviceNow).catch((error: unknown) => log.warn({ err: error }, 'ServiceNow was not told'));
};

/** Opens the subject's incident, or says in it that it still holds; undefined: it is over. */
const tellState = async (deps: AlertDeps, subject: Subject, trouble: string | undefined): Promise<void> => {
  if (trouble === undefined) {
    return tellIncident(deps, (serviceNow) =>
      resolveIncident(serviceNow, subject, 'It is as it should be again.'),
    );
  }
  deps.log.warn({ subject: subject.id }, `${subject.title}: ${trouble}`);
  await tellIncident(deps, (serviceNow) =>
    openIncident(serviceNow, subject, {
      again: `Still: ${trouble}`,
      description: `${subject.title}: ${trouble}. See docs/pipelines.md.`,
    }),
  );
};

/** When the newest done window of each pipeline ended. */
export const newestDone = async (db: Pool): Promise<Map<string, Date>> => {
  const found = await db.query<{ pipeline: string; to: Date }>(
    `SELECT pipeline, max(window_to) AS to FROM intervals WHERE state = 'done' GROUP BY pipeline`,
  );
  return new Map(found.rows.map(({ pipeline, to }) => [pipeline, to]));
};

export const hoursSince = (now: Date, to: Date | undefined): number =>
  to === undefined ? Number.POSITIVE_INFINITY : Math.max(0, (now.getTime() - to.getTime()) / hourMs);

const mostShown = 20;

/** Alerts of one pipeline: its windows, its tables and their parts, and what its source keeps for it. */
export const alertOn = async (deps: AlertDeps, pipeline: Pipeline): Promise<void> => {
  const { name, freshness } = pipeline;
  if (freshness) {
    const age = hoursSince(deps.clock(), (await newestDone(deps.db)).get(name));
    const ended = Number.isFinite(age) ? `${Math.round(age)} h ago` : 'never';
    const trouble =
      age <= freshness.hours
        ? undefined
        : `its newest window ended ${ended}, the target is ${freshness.hours} h`;
    await tellState(deps, subjectOf(name, 'stale'), trouble);
  }
  if (freshness?.tables?.length) {
    const stale = (await tableAges(deps.db, pipeline, deps.clock())).filter((each) => each.stale);
    const more = stale.length > mostShown ? `; and ${stale.length - mostShown} more` : '';
    const trouble =
      stale.length === 0 ? undefined : `${stale.slice(0, mostShown).map(shownAge).join('; ')}${more}`;
    await tellState(deps, subjectOf(name, 'stale_tables'), trouble);
  }
  const held = await askHold(pipeline, deps.env);
  // A source that is away fails the run, which has an alert of its own.
  if (held && 'hold' in held && held.hold) {
    const trouble = isTooMuch(held.hold) ? shownHold(held.hold) : undefined;
    await tellState(deps, subjectOf(name, 'source_log'), trouble);
  }
};
