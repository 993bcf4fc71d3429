import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Principal } from './auth.ts';
import { type Db, prepared } from './postgres.ts';
import { Problem } from './problem.ts';

/** A key, whose it is, and the hash of the body that it came with. */
export type IdempotencyKey = { owner: string; key: string; bodyHash: string };

/**
 * Whose keys a caller's are: the client's and, where its token speaks for a person, that person's alone. Two people at
 * one portal must not get each other's answers. Neither name can hold a line end (RFC 6749, appendix A.1).
 */
export const keyOwner = ({ clientId, subject }: Pick<Principal, 'clientId' | 'subject'>): string =>
  subject === clientId ? clientId : `${clientId}\n${subject}`;

/** What a POST answered, and answers again to a repetition of it. */
export type KeptAnswer = { status: number; location: string; body: string };

export const idempotencyHours = 24;

/** Printable characters without spaces: what any client library sends, and nothing that breaks a log. */
export const idempotencyHeader = (headers: IncomingHttpHeaders): string | undefined => {
  const header = headers['idempotency-key'];
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw new Problem('validation-failed', 'The header Idempotency-Key is not valid.', {
    violations: [
      { pointer: '', message: 'Idempotency-Key: expected 1 to 255 printable characters without spaces' },
    ],
  });
};

/**
 * The key of a body, or undefined where the request has none. White space outside strings does not count; what is
 * asked for does: a key that answered an order answers no request for a report, which needs another scope.
 */
export const keyOfBody = (
  principal: Pick<Principal, 'clientId' | 'subject'>,
  key: string | undefined,
  use: 'order' | 'report',
  body: unknown,
): IdempotencyKey | undefined =>
  key === undefined
    ? undefined
    : {
        owner: keyOwner(principal),
        key,
        bodyHash: createHash('sha256')
          .update(JSON.stringify([use, body ?? null]))
          .digest('hex'),
      };

/**
 * SQL that keeps an answer under its key, for the transaction that does the work, alone or as the last part of a
 * larger statement. No row: the key is taken, by an answer or by a transaction that is still running; then this one
 * must be rolled back. An advisory lock stands for "still running", because a row that another transaction has not
 * committed can be waited for, but not seen. The arguments are the numbers of the statement's parameters: `now`, and
 * the first of the seven that `keptAnswerValues` gives.
 */
export const keepAnswerSql = ({ now, first }: { now: number; first: number }): string => {
  const [client, key, hash, status, location, body, expiry] = Array.from(
    { length: 7 },
    (_, index) => `$${first + index}`,
  );
  return `INSERT INTO chaves_idempotencia (cliente_id, chave, hash_corpo, status_http, local_http, resposta, expira_em)
     SELECT ${client}, ${key}, ${hash}, ${status}, ${location}, ${body}, ${expiry}
     WHERE ${key}::text IS NOT NULL AND pg_try_advisory_xact_lock(hashtextextended(${client} || ' ' || ${key}, 8080))
     -- An expired answer stays until the next retention run, and makes room for the new one here.
     ON CONFLICT (cliente_id, chave) DO UPDATE
       SET hash_corpo = excluded.hash_corpo, status_http = excluded.status_http,
         local_http = excluded.local_http, resposta = excluded.resposta, expira_em = excluded.expira_em
       WHERE chaves_idempotencia.expira_em <= $${now}`;
};

/**
 * The same for a statement over several requests: `rows` is a relation with the columns of `keptAnswerRow` and
 * `em`, the time. Gives back the keys that were kept. Of requests with one key PostgreSQL refuses the whole.
 */
export const keepAnswersSql = (
  rows: string,
): string => `INSERT INTO chaves_idempotencia AS k (cliente_id, chave, hash_corpo, status_http, local_http,
         resposta, expira_em)
       SELECT cliente_id, chave, hash_corpo, status_http, local_http, resposta, expira_em FROM ${rows}
       WHERE chave IS NOT NULL AND pg_try_advisory_xact_lock(hashtextextended(cliente_id || ' ' || chave, 8080))
       ON CONFLICT (cliente_id, chave) DO UPDATE
         SET hash_corpo = excluded.hash_corpo, status_http = excluded.status_http,
           local_http = excluded.local_http, resposta = excluded.resposta, expira_em = excluded.expira_em
         WHERE k.expira_em <= (SELECT min(em) FROM ${rows})
       RETURNING cliente_id, chave`;

export type AnswerToKeep = IdempotencyKey & KeptAnswer & { expiresAt: Date };

/** The seven parameters of `keepAnswerSql`; all null where there is no key, and then nothing is kept. */
export const keptAnswerValues = (answer: AnswerToKeep | null): unknown[] => [
  answer?.owner ?? null,
  answer?.key ?? null,
  answer?.bodyHash ?? null,
  answer?.status ?? null,
  answer?.location ?? null,
  answer?.body ?? null,
  answer?.expiresAt ?? null,
];

export const keptAnswerRow = (answer: AnswerToKeep | null) =>
  answer && {
    cliente_id: answer.owner,
    chave: answer.key,
    hash_corpo: answer.bodyHash,
    status_http: answer.status,
    local_http: answer.location,
    resposta: answer.body,
    expira_em: answer.expiresAt,
  };

export const answerToKeep = (key: IdempotencyKey, answer: KeptAnswer, now: Date): AnswerToKeep => ({
  ...key,
  ...answer,
  expiresAt: new Date(now.getTime() + idempotencyHours * 3_600_000),
});

/** For who finds the key taken, or its lock held. */
export const requestInProgress = (): Problem =>
  new Problem('request-in-progress', 'A request with this Idempotency-Key is still running.', {
    headers: { 'retry-after': '1' },
  });

type IdempotencyRow = {
  locked: boolean;
  hash_corpo: string | null;
  status_http: number | null;
  local_http: string | null;
  resposta: string | null;
};

export type KeyState =
  | { state: 'free' }
  | { state: 'running' }
  | ({ state: 'answered'; bodyHash: string } & KeptAnswer);

const idempotencyKeySql = prepared(
  'idempotency.key',
  `SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 8080)) AS locked, k.*
     FROM (SELECT 1) one
     LEFT JOIN chaves_idempotencia k ON k.cliente_id = $1 AND k.chave = $2 AND k.expira_em > $3`,
);

/** Says who has an idempotency key; where nobody has, takes it for the transaction. */
export const takeIdempotencyKey = async (
  tx: Db,
  owner: string,
  key: string,
  now: Date,
): Promise<KeyState> => {
  const { rows } = await tx.query<IdempotencyRow>(idempotencyKeySql([owner, key, now]));
  const row = rows[0];
  if (row?.hash_corpo != null)
    return {
      state: 'answered',
      bodyHash: row.hash_corpo,
      status: row.status_http ?? 201,
      location: row.local_http ?? '',
      body: row.resposta ?? '',
    };
  return { state: row?.locked ? 'free' : 'running' };
};

/**
 * What this key answered before; null where it did not.
 * @throws Problem `idempotency-key-reused` where it answered another body
 */
export const answeredBefore = async (
  db: Db,
  { owner, key, bodyHash }: IdempotencyKey,
  now: Date,
): Promise<KeptAnswer | null> => {
  // Outside a transaction the advisory lock is given back at once: only the answer is of interest.
  const found = await takeIdempotencyKey(db, owner, key, now);
  if (found.state !== 'answered') return null;
  if (found.bodyHash !== bodyHash)
    throw new Problem(
      'idempotency-key-reused',
      'This Idempotency-Key answered another body in the last 24 hours. Use a new key for a new request.',
    );
  return { status: found.status, location: found.location, body: found.body };
};
