import { openIncident, resolveIncident, type ServiceNow, type Subject } from '../platform/incidents.ts';
import { LeaseHeldError } from '../platform/leases.ts';
import {
  type ConsolidateDeps,
  type Consolidated,
  type ConsolidateRequest,
  consolidate,
} from './consolidate.ts';
import type { Delivered } from './feedback.ts';

export type RoundDeps = ConsolidateDeps & {
  readonly serviceNow?: ServiceNow;
  /** Sends the feedback that is owed; absent: nothing is. */
  readonly deliver?: () => Promise<Delivered>;
};

/**
 * One run as it is made by hand or on a schedule: a failed one opens an incident, one that passes resolves it, and
 * then the feedback goes out. Neither ServiceNow nor Kafka can fail a run: what goes wrong there is a notice.
 * @throws what `consolidate` throws
 */
export const consolidateRound = async (
  deps: RoundDeps,
  request: ConsolidateRequest,
): Promise<Consolidated> => {
  const { serviceNow, deliver, report } = deps;
  const notice = (message: string): void => report?.notice?.(message);
  const { table } = request;
  let runId = 'that did not begin';
  const watched = {
    ...report,
    started: (id: string) => {
      runId = id;
      report?.started?.(id);
    },
  };
  let done: Consolidated;
  try {
    done = await consolidate({ ...deps, report: watched }, request);
  } catch (error) {
    // Held: the run that works has its own report. Stopped: by people, who know.
    const expected = error instanceof LeaseHeldError || request.signal?.aborted === true;
    if (serviceNow && !expected) {
      const message = error instanceof Error ? error.message : String(error);
      const opened = openIncident(serviceNow, subjectOf(table), {
        again: `Run ${runId} failed too: ${message}`,
        description: `Run ${runId} failed: ${message}\nWhat it had committed stands; the next run goes on from there. See docs/consolidate.md.`,
      });
      await told(notice, opened, (number) => `incident ${number} is open in ServiceNow`);
    }
    throw error;
  }
  if (serviceNow) {
    const resolved = resolveIncident(serviceNow, subjectOf(table), `Run ${runId} passed.`);
    await told(notice, resolved, (number) => number && `incident ${number} is resolved`);
  }
  if (deliver) {
    await told(notice, deliver(), ({ dead, pending, error }) => {
      if (error !== undefined) return `${pending} feedback messages wait for Kafka: ${error}`;
      return dead > 0
        ? `${dead} feedback messages are not valid and went to the dead-letter topic`
        : undefined;
    });
  }
  return done;
};

const subjectOf = (table: string): Subject => ({
  id: `lastro:consolidate:${table}`,
  part: 'Lastro consolidation',
  title: `Consolidation of ${table} failed`,
});

const told = async <T>(
  notice: (message: string) => void,
  work: Promise<T>,
  say: (result: T) => string | undefined,
): Promise<void> => {
  try {
    const message = say(await work);
    if (message) notice(message);
  } catch (error) {
    notice(error instanceof Error ? error.message : String(error));
  }
};
