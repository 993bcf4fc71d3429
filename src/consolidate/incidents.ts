/** A ServiceNow instance's Table API. */
export type ServiceNow = {
  /** `https://bank.service-now.com` */
  readonly url: string;
  readonly token: string;
  readonly timeoutMs?: number;
};

/** One subject has at most one open incident: it is found by this id. */
export const correlationId = (table: string): string => `lastro:consolidate:${table}`;

type Incident = { readonly sys_id: string; readonly number: string };

/** States of ServiceNow's incident table: 6 resolved, 7 closed, 8 cancelled. */
const resolved = '6';
const stillOpen = 'stateNOT IN6,7,8';

const call = async <Answer>(
  { url, token, timeoutMs = 10_000 }: ServiceNow,
  method: string,
  path: string,
  body?: Record<string, string>,
): Promise<Answer> => {
  const response = await fetch(`${url.replace(/\/+$/, '')}/api/now/table/incident${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      'content-type': 'application/json',
    },
    signal: AbortSignal.timeout(timeoutMs),
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) {
    throw new Error(
      `ServiceNow answered ${response.status} to ${method}: ${(await response.text()).slice(0, 200)}`,
    );
  }
  return ((await response.json()) as { result: Answer }).result;
};

const findOpen = async (serviceNow: ServiceNow, id: string): Promise<Incident | undefined> => {
  const query = new URLSearchParams({
    sysparm_query: `correlation_id=${id}^${stillOpen}`,
    sysparm_fields: 'sys_id,number',
    sysparm_limit: '1',
  });
  const [found] = await call<Incident[]>(serviceNow, 'GET', `?${query}`);
  return found;
};

/**
 * Opens an incident for a failed run, or adds a work note to the one that is open already. Answers its number.
 * @throws Error ServiceNow did not take it
 */
export const openIncident = async (
  serviceNow: ServiceNow,
  { table, runId, error }: { table: string; runId: string; error: string },
): Promise<string> => {
  const id = correlationId(table);
  const found = await findOpen(serviceNow, id);
  if (found) {
    await call(serviceNow, 'PATCH', `/${found.sys_id}`, { work_notes: `Run ${runId} failed too: ${error}` });
    return found.number;
  }
  const made = await call<Incident>(serviceNow, 'POST', '', {
    correlation_id: id,
    correlation_display: 'Lastro consolidation',
    short_description: `Consolidation of ${table} failed`.slice(0, 160),
    description: `Run ${runId} failed: ${error}\nWhat it had committed stands; the next run goes on from there. See docs/consolidate.md.`,
    urgency: '2',
    impact: '2',
  });
  return made.number;
};

/**
 * Resolves the open incident, if there is one, once a run has passed. Answers its number.
 * @throws Error ServiceNow did not take it
 */
export const resolveIncident = async (
  serviceNow: ServiceNow,
  { table, runId }: { table: string; runId: string },
): Promise<string | undefined> => {
  const found = await findOpen(serviceNow, correlationId(table));
  if (!found) return undefined;
  await call(serviceNow, 'PATCH', `/${found.sys_id}`, {
    state: resolved,
    close_code: 'Resolved by request',
    close_notes: `Run ${runId} passed.`,
  });
  return found.number;
};
