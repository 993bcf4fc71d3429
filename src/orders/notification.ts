import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { Partners, PersonContact } from '../partners/partners.ts';
import type { JobContext, Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
import { prepared } from '../platform/postgres.ts';
import { insertEvidence } from './store.ts';

/** Tells the participants of an order with quorum that they may sign. */
export const notificationQueue: Queue<{ orderKey: string; requestId: string }> = {
  name: 'notification',
  retryLimit: 40,
  retryDelaySeconds: 5,
  retryDelayMaxSeconds: 900,
  expireInSeconds: 300,
};

export type NotificationDeps = {
  db: Pool;
  partners: Pick<Partners, 'people' | 'notify'>;
  clock: () => Date;
  log: Log;
  reached?: (point: string) => void | Promise<void>;
};

export const notificationPoints = [
  'notification-started',
  'notification-sent',
  'notification-noted',
] as const;

type Row = {
  area_id: string;
  pessoa_id: string;
  documento: string;
  nome: string | null;
  email: string | null;
  telefone: string | null;
  a_notificar: boolean;
};

// A person of two parties is notified once, where any of them lets the person sign.
const participantsSql = prepared(
  'notification.participants',
  `SELECT DISTINCT ON (p.pessoa_id) e.area_id, p.pessoa_id, p.documento, p.nome, p.email, p.telefone,
       p.habilitado AND p.notificado_em IS NULL AS a_notificar
     FROM participantes p JOIN envelopes e USING (envelope_id)
     WHERE p.envelope_id = $1 AND e.status_envelope = 'concluido'
     ORDER BY p.pessoa_id, p.habilitado DESC, p.parte`,
);

// Asynchronous: losing the note to a crash of the server only means to ask the partner again, under the same key.
const notifiedSql = prepared(
  'notification.noted',
  `WITH assincrono AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
   UPDATE participantes SET notificado_em = $3 FROM assincrono
   WHERE envelope_id = $1 AND pessoa_id = ANY ($2) AND notificado_em IS NULL`,
);

/**
 * Notifies each enabled participant once. The partner sends once for each idempotency key, so a job that is
 * cut off between sending and noting it may ask again. Contacts that the decision did not wait for are asked
 * for here; without them the job fails and comes back, the order is not touched. A person who
 * can't be told does not keep the others from it; the job fails after them, and comes back for that one.
 */
export const notifyParticipants = async (
  deps: NotificationDeps,
  { orderKey, requestId }: { orderKey: string; requestId: string },
  { signal }: Pick<JobContext, 'signal'>,
): Promise<void> => {
  const reached = deps.reached ?? (() => {});
  await reached('notification-started');
  const call = { requestId, signal };
  const { rows } = await deps.db.query<Row>(participantsSql([orderKey]));
  const pending = rows.filter(({ a_notificar }) => a_notificar);
  if (pending.length === 0) return;
  const contacts = await contactsOf(deps, orderKey, rows, call);
  const told = await Promise.allSettled(
    pending.map((row) => notify(deps, orderKey, row, contacts.get(row.documento), call)),
  );
  await reached('notification-sent');
  const noted = told.flatMap((outcome) =>
    outcome.status === 'fulfilled' && outcome.value ? [outcome.value] : [],
  );
  if (noted.length > 0) await deps.db.query(notifiedSql([orderKey, noted, deps.clock()]));
  await reached('notification-noted');
  const failed = told.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
};

/** Tells one person; answers its id, or null where the person has no contact. */
const notify = async (
  { partners, log }: NotificationDeps,
  orderKey: string,
  row: Row,
  contact: PersonContact | undefined,
  call: { requestId: string; signal: AbortSignal },
): Promise<string | null> => {
  const recipient = recipientOf(row, contact);
  if (recipient.email === null && recipient.phone === null) {
    log.warn({ orderKey, person: row.pessoa_id }, 'participant has no contact and was not notified');
    return null;
  }
  const idempotencyKey = `${orderKey}:${row.pessoa_id}`;
  await partners.notify(
    { idempotencyKey, orderKey, areaId: row.area_id, template: 'signature_requested', recipient },
    call,
  );
  return row.pessoa_id;
};

/**
 * The same for the same order whether the contact was stored or just asked for: a repeated call must have the
 * same body, or the partner refuses its key.
 */
const recipientOf = (row: Row, contact: PersonContact | undefined): PersonContact => ({
  document: row.documento,
  name: row.nome ?? contact?.name ?? row.pessoa_id,
  email: row.email ?? contact?.email ?? null,
  phone: row.telefone ?? contact?.phone ?? null,
});

/**
 * Contacts of those who have none stored, whether they may sign or not: asked for, kept as evidence, then
 * written to the participants.
 */
const contactsOf = async (
  { db, partners }: NotificationDeps,
  orderKey: string,
  rows: readonly Row[],
  call: { requestId: string; signal: AbortSignal },
): Promise<Map<string, PersonContact>> => {
  const documents = rows
    .filter(({ email, telefone }) => email === null && telefone === null)
    .map((row) => row.documento)
    .sort();
  if (documents.length === 0) return new Map();
  const answer = await partners.people(documents, call);
  const query = createHash('sha256').update(documents.join(' ')).digest('hex').slice(0, 32);
  await insertEvidence(db, orderKey, [{ ...answer, query }], false);
  for (const { document, name, email, phone } of answer.value)
    await db.query(
      `UPDATE participantes SET nome = coalesce(nome, $3), email = $4, telefone = $5
       WHERE envelope_id = $1 AND documento = $2`,
      [orderKey, document, name, email, phone],
    );
  return new Map(answer.value.map((contact) => [contact.document, contact]));
};
