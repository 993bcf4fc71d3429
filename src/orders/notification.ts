import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { Partners, PersonContact } from '../partners/partners.ts';
import { batched, batchLockTimeout } from '../platform/batches.ts';
import type { JobContext, Jobs, Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
import { prepared, transaction } from '../platform/postgres.ts';
import type { Participant } from './model.ts';
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
  /** Whether the area wants its participants notified at all. */
  avisa: boolean;
};

// A person of two parties is notified once, where any of them lets the person sign.
const participantsSql = prepared(
  'notification.participants',
  `SELECT DISTINCT ON (p.pessoa_id) e.area_id, p.pessoa_id, p.documento, p.nome, p.email, p.telefone,
       p.habilitado AND p.notificado_em IS NULL AS a_notificar,
       (e.parametros->>'notifyParticipants')::boolean AS avisa
     FROM participantes p JOIN envelopes e USING (envelope_id)
     WHERE p.envelope_id = $1 AND e.status_envelope = 'concluido'
     ORDER BY p.pessoa_id, p.habilitado DESC, p.parte`,
);

type Told = { orderKey: string; people: readonly string[]; at: Date };

// Asynchronous: losing the note to a crash of the server only means to ask the partner again, under the same key.
const toldSql = prepared(
  'notification.told',
  `WITH assincrono AS MATERIALIZED (
     SELECT set_config('synchronous_commit', 'off', true),
       set_config('lock_timeout', coalesce($1, current_setting('lock_timeout')), true)
   )
   UPDATE participantes p SET notificado_em = t.em
   FROM assincrono, unnest($2::text[], $3::text[], $4::timestamptz[]) AS t (envelope_id, pessoa_id, em)
   WHERE p.envelope_id = t.envelope_id AND p.pessoa_id = t.pessoa_id AND p.notificado_em IS NULL`,
);

/** Notes who was told. */
const noteTold = batched<Pool, Told, void>(async (db, told) => {
  const rows = told.flatMap(({ orderKey, people, at }) => people.map((id) => ({ orderKey, id, at })));
  await db.query(
    toldSql([
      batchLockTimeout(told),
      rows.map(({ orderKey }) => orderKey),
      rows.map(({ id }) => id),
      rows.map(({ at }) => at),
    ]),
  );
  return told.map(() => undefined);
});

type Call = { requestId: string; signal: AbortSignal };

/** Whom to tell, where it was just decided: the names and contacts that were stored with the decision. */
export type DecidedOrder = { orderKey: string; areaId: string; people: readonly Participant[] };

/**
 * Notifies each enabled participant once, right after the decision. The partner sends once for each idempotency
 * key, so a job that is cut off between sending and noting it may ask again. Answers whether everyone was told:
 * false where a contact is not known yet or the partner gave no answer.
 */
export const notifyNow = async (
  deps: NotificationDeps,
  { orderKey, areaId, people }: DecidedOrder,
  call: Call,
): Promise<boolean> => {
  // A person of two parties is told once, where any of them lets the person sign.
  const byId = new Map(people.filter(({ enabled }) => enabled).map((person) => [person.id, person]));
  const recipients = [...byId.values()].map((person) => ({
    id: person.id,
    document: person.document,
    name: person.name ?? person.id,
    email: person.email,
    phone: person.phone,
  }));
  const known = recipients.filter(isReachable);
  const { refused } = await tell(deps, { orderKey, areaId }, known, call);
  return refused === undefined && known.length === recipients.length;
};

/** Leaves to the notification queue who was not told yet; does nothing where everyone was. */
export const notifyLater = async (
  { db, jobs }: Pick<NotificationDeps, 'db'> & { jobs: Pick<Jobs, 'enqueue'> },
  job: { orderKey: string; requestId: string },
): Promise<void> => {
  const { rows } = await db.query<Row>(participantsSql([job.orderKey]));
  if (!rows.some(({ a_notificar, avisa }) => a_notificar && avisa)) return;
  await transaction(db, (tx) => jobs.enqueue(tx, notificationQueue, job));
};

/**
 * Tells those who were not told with the decision. Contacts that it did not wait for are asked for here;
 * without them the job fails and comes back, the order is not touched. A person who can't be told does not keep
 * the others from it; the job fails after them, and comes back for that one.
 */
export const notifyParticipants = async (
  deps: NotificationDeps,
  { orderKey, requestId }: { orderKey: string; requestId: string },
  { signal }: Pick<JobContext, 'signal'>,
): Promise<void> => {
  await deps.reached?.('notification-started');
  const call = { requestId, signal };
  const { rows } = await deps.db.query<Row>(participantsSql([orderKey]));
  const pending = rows.filter(({ a_notificar }) => a_notificar);
  const areaId = pending[0]?.area_id;
  if (areaId === undefined) return;
  const contacts = await contactsOf(deps, orderKey, rows, call);
  const recipients = pending.map((row) => recipientOf(row, contacts.get(row.documento)));
  for (const { id } of recipients.filter((recipient) => !isReachable(recipient)))
    deps.log.warn({ orderKey, person: id }, 'participant has no contact and was not notified');
  const { refused } = await tell(deps, { orderKey, areaId }, recipients.filter(isReachable), call);
  if (refused) throw refused.reason;
};

type Recipient = PersonContact & { id: string };

const isReachable = ({ email, phone }: Recipient): boolean => email !== null || phone !== null;

/** Tells people at once and notes together who was told; answers the first failure. */
const tell = async (
  { db, partners, clock, reached }: NotificationDeps,
  { orderKey, areaId }: { orderKey: string; areaId: string },
  recipients: readonly Recipient[],
  call: Call,
): Promise<{ refused: PromiseRejectedResult | undefined }> => {
  const told = await Promise.allSettled(
    recipients.map(({ id, ...recipient }) =>
      partners.notify(
        {
          idempotencyKey: `${orderKey}:${id}`,
          orderKey,
          areaId,
          template: 'signature_requested',
          recipient,
        },
        call,
      ),
    ),
  );
  await reached?.('notification-sent');
  const noted = recipients.filter((_, index) => told[index]?.status === 'fulfilled').map(({ id }) => id);
  if (noted.length > 0) await noteTold(db, { orderKey, people: noted, at: clock() });
  await reached?.('notification-noted');
  return { refused: told.find((outcome) => outcome.status === 'rejected') };
};

/**
 * The same for the same order whether the contact was stored or just asked for: a repeated call must have the
 * same body, or the partner refuses its key.
 */
const recipientOf = (row: Row, contact: PersonContact | undefined): Recipient => ({
  id: row.pessoa_id,
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
  await insertEvidence(db, { orderKey, items: [{ ...answer, query }], markProcessing: false });
  for (const { document, name, email, phone } of answer.value)
    await db.query(
      `UPDATE participantes SET nome = coalesce(nome, $3), email = $4, telefone = $5
       WHERE envelope_id = $1 AND documento = $2`,
      [orderKey, document, name, email, phone],
    );
  return new Map(answer.value.map((contact) => [contact.document, contact]));
};
