import { maskText } from '../shared/mask.ts';

/** A ServiceNow instance's Table API. */
export type ServiceNow = {
  /** `https://bank.service-now.com` */
  readonly url: string;
  readonly token: string;
  readonly timeoutMs?: number;
};

/** What an incident is about. One subject has at most one open incident: it is found by the id. */
export type Subject = {
  /** `lastro:consolidate:kconnect.events` */
  readonly id: string;
  /** The part of the product: `Lastro consolidation`. */
  readonly part: string;
  /** `Consolidation of kconnect.events failed` */
  readonly title: string;
};

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
      `ServiceNow answered ${response.status} to ${method}: ${maskText((await response.text()).slice(0, 200))}`,
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
 * Opens an incident with `description`, or adds `again` as a work note to the one that is open already. Answers its
 * number. CPF, e-mail and phone are masked in all texts: they quote errors, and another system keeps them.
 * @throws Error ServiceNow did not take it
 */
export const openIncident = async (
  serviceNow: ServiceNow,
  subject: Subject,
  { again, description }: { again: string; description: string },
): Promise<string> => {
  const found = await findOpen(serviceNow, subject.id);
  if (found) {
    await call(serviceNow, 'PATCH', `/${found.sys_id}`, { work_notes: maskText(again) });
    return found.number;
  }
  const made = await call<Incident>(serviceNow, 'POST', '', {
    correlation_id: subject.id,
    correlation_display: subject.part,
    short_description: maskText(subject.title).slice(0, 160),
    description: maskText(description),
    urgency: '2',
    impact: '2',
  });
  return made.number;
};

/**
 * Resolves the open incident of the subject, if there is one, with `notes`. Answers its number.
 * @throws Error ServiceNow did not take it
 */
export const resolveIncident = async (
  serviceNow: ServiceNow,
  subject: Pick<Subject, 'id'>,
  notes: string,
): Promise<string | undefined> => {
  const found = await findOpen(serviceNow, subject.id);
  if (!found) return undefined;
  await call(serviceNow, 'PATCH', `/${found.sys_id}`, {
    state: resolved,
    close_code: 'Resolved by request',
    close_notes: maskText(notes),
  });
  return found.number;
};
