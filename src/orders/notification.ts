import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { Partners, PersonContact } from '../partners/partners.ts';
import type { JobContext, Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
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
};

/**
 * Notifies each enabled participant once. The partner sends once for each idempotency key, so a job that is
 * cut off between sending and noting it may ask again. Contacts that the decision did not wait for are asked
 * for here; without them the job fails and comes back, the order is not touched.
 */
export const notifyParticipants = async (
  deps: NotificationDeps,
  { orderKey, requestId }: { orderKey: string; requestId: string },
  { signal }: Pick<JobContext, 'signal'>,
): Promise<void> => {
  const reached = deps.reached ?? (() => {});
  await reached('notification-started');
  const { rows } = await deps.db.query<Row>(
    `SELECT DISTINCT ON (p.pessoa_id) e.area_id, p.pessoa_id, p.documento, p.nome, p.email, p.telefone
     FROM participantes p JOIN envelopes e USING (envelope_id)
     WHERE p.envelope_id = $1 AND p.habilitado AND p.notificado_em IS NULL AND e.status_envelope = 'concluido'
     ORDER BY p.pessoa_id, p.parte`,
    [orderKey],
  );
  const contacts = await contactsOf(deps, orderKey, rows, { requestId, signal });
  for (const row of rows) {
    const recipient = contacts.get(row.documento) ?? known(row);
    if (recipient.email === null && recipient.phone === null) {
      deps.log.warn({ orderKey, person: row.pessoa_id }, 'participant has no contact and was not notified');
      continue;
    }
    await deps.partners.notify(
      {
        idempotencyKey: `${orderKey}:${row.pessoa_id}`,
        orderKey,
        areaId: row.area_id,
        template: 'signature_requested',
        recipient,
      },
      { requestId, signal },
    );
    await reached('notification-sent');
    await deps.db.query(
      `UPDATE participantes SET notificado_em = $3 WHERE envelope_id = $1 AND pessoa_id = $2 AND notificado_em IS NULL`,
      [orderKey, row.pessoa_id, deps.clock()],
    );
    await reached('notification-noted');
  }
};

const known = (row: Row): PersonContact => ({
  document: row.documento,
  name: row.nome ?? row.pessoa_id,
  email: row.email,
  phone: row.telefone,
});

/** Contacts of those who have none stored: asked for, kept as evidence, then written to the participants. */
const contactsOf = async (
  { db, partners }: NotificationDeps,
  orderKey: string,
  rows: readonly Row[],
  call: { requestId: string; signal: AbortSignal },
): Promise<Map<string, PersonContact>> => {
  const documents = rows
    .filter(({ email, telefone }) => email === null && telefone === null)
    .map((row) => row.documento);
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
