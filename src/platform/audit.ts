import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { canonicalJson } from '../shared/canonical-json.ts';
import { type Db, transaction } from './postgres.ts';
import { type PublicJwks, type SigningKeys, signJws, verifyJws } from './signing-keys.ts';
import { ObjectExistsError, ObjectNotFoundError, type Store } from './store/store.ts';

const sealType = 'vnd.lastro.audit-seal+jws';

/** What a seal states: which rows it covers, their hash, and the hash of the seal before. */
export type Seal = {
  batch: number;
  /** The last row covered: transaction and sequence. */
  through: [string, string];
  records: number;
  hash: string;
  previousHash: string;
  sealedAt: string;
};

export type SealDeps = { db: Pool; keys: SigningKeys; store: Store; clock: () => Date };

const largestBatch = 20_000;
const sealerLock = 5_278_000_010;
const noHash = '0'.repeat(64);

type AuditRow = {
  transacao: string;
  sequencia: string;
  quando: string;
  quem: string;
  acao: string;
  recurso: string;
  area_id: string | null;
  requisicao: string | null;
  detalhe: string;
};

// Ordered by the table's columns: a bare name would mean the answer's, which are text and sort as such.
const inOrder = 'ORDER BY trilha_auditoria.transacao, trilha_auditoria.sequencia';

const rowsAfterSql = `
  SELECT transacao::text, sequencia::text, to_char(quando AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS quando,
    quem, acao, recurso, area_id, requisicao, detalhe
  FROM trilha_auditoria
  WHERE (transacao, sequencia) > ($1::text::xid8, $2::bigint)`;

const hashOf = (rows: readonly AuditRow[], previousHash: string): string => {
  const hash = createHash('sha256').update(previousHash);
  for (const row of rows) hash.update('\n').update(canonicalJson(row));
  return hash.digest('hex');
};

/** Appends to the trail, in the transaction of the act that it tells of. */
export const recordAudit = async (
  db: Db,
  entry: {
    at: Date;
    by: string;
    action: string;
    resource: string;
    areaId?: string;
    requestId?: string;
    detail?: Record<string, unknown>;
  },
): Promise<void> => {
  await db.query(
    `INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id, requisicao, detalhe)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      entry.at,
      entry.by,
      entry.action,
      entry.resource,
      entry.areaId ?? null,
      entry.requestId ?? null,
      JSON.stringify(entry.detail ?? {}),
    ],
  );
};

/**
 * Seals what was appended since the last seal; answers how many rows. Acts are not slowed by it: they only
 * append, and the seal takes rows of transactions older than every open one, so that no row can slip in behind.
 * A seal is stored in Postgres first, then published once to the object store: killed in between, the next run
 * publishes it. Whoever cuts the table's tail would have to cut the published seals too.
 */
export const sealAudit = async (deps: SealDeps): Promise<number> => {
  let sealed = 0;
  for (;;) {
    const count = await sealBatch(deps);
    sealed += count;
    if (count < largestBatch) break;
  }
  await publishSeals(deps);
  return sealed;
};

const sealBatch = ({ db, keys, clock }: SealDeps): Promise<number> =>
  transaction(db, async (tx) => {
    const { rows: lock } = await tx.query<{ mine: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS mine', [
      sealerLock,
    ]);
    if (!lock[0]?.mine) return 0;
    const { rows: last } = await tx.query<{
      lote: string;
      transacao_fim: string;
      sequencia_fim: string;
      hash_lote: string;
    }>(
      'SELECT lote, transacao_fim::text, sequencia_fim::text, hash_lote FROM selos_auditoria ORDER BY lote DESC LIMIT 1',
    );
    const previous = last[0];
    const { rows } = await tx.query<AuditRow>(
      `${rowsAfterSql} AND transacao < pg_snapshot_xmin(pg_current_snapshot()) ${inOrder} LIMIT $3`,
      [previous?.transacao_fim ?? '0', previous?.sequencia_fim ?? '0', largestBatch],
    );
    const end = rows.at(-1);
    if (!end) return 0;
    const previousHash = previous?.hash_lote ?? noHash;
    const seal: Seal = {
      batch: Number(previous?.lote ?? 0) + 1,
      through: [end.transacao, end.sequencia],
      records: rows.length,
      hash: hashOf(rows, previousHash),
      previousHash,
      sealedAt: clock().toISOString(),
    };
    await tx.query(
      `INSERT INTO selos_auditoria (lote, transacao_fim, sequencia_fim, registros, hash_lote, hash_anterior, selo, selado_em)
       VALUES ($1, $2::text::xid8, $3, $4, $5, $6, $7, $8)`,
      [
        seal.batch,
        end.transacao,
        end.sequencia,
        seal.records,
        seal.hash,
        previousHash,
        await signJws({ keys, type: sealType }, canonicalJson(seal)),
        seal.sealedAt,
      ],
    );
    return rows.length;
  });

const sealKey = (batch: number): string => `audit/seals/${String(batch).padStart(12, '0')}.jws`;

const publishSeals = async ({ db, store, clock }: SealDeps): Promise<void> => {
  const { rows } = await db.query<{ lote: string; selo: string }>(
    'SELECT lote, selo FROM selos_auditoria WHERE publicado_em IS NULL ORDER BY lote',
  );
  for (const { lote, selo } of rows) {
    await store.put(sealKey(Number(lote)), selo, { ifNoneMatch: true }).catch((error: unknown) => {
      // Published by a run that was killed before it noted so; `verifyAudit` compares the content.
      if (!(error instanceof ObjectExistsError)) throw error;
    });
    await db.query('UPDATE selos_auditoria SET publicado_em = $2 WHERE lote = $1', [lote, clock()]);
  }
};

export type AuditVerdict = {
  intact: boolean;
  batches: number;
  records: number;
  /** Rows that no seal covers yet. */
  unsealed: number;
  faults: { batch: number; fault: string }[];
};

/**
 * Checks the trail against its seals: every batch's rows, the chain, the signatures, and the published copies,
 * which also tell when the end of the table was cut off.
 */
export const verifyAudit = async ({
  db,
  store,
  jwks,
}: {
  db: Pool;
  store: Store;
  jwks: PublicJwks;
}): Promise<AuditVerdict> => {
  const faults: AuditVerdict['faults'] = [];
  const { rows: seals } = await db.query<{ lote: string; selo: string }>(
    'SELECT lote, selo FROM selos_auditoria ORDER BY lote',
  );
  let from: [string, string] = ['0', '0'];
  let previousHash = noHash;
  let records = 0;
  let previousBatch = 0;
  for (const { lote, selo } of seals) {
    const batch = Number(lote);
    const fault = (text: string): void => void faults.push({ batch, fault: text });
    if (batch !== previousBatch + 1) fault(`expected seal ${previousBatch + 1} here: a seal is missing`);
    previousBatch = batch;
    const seal = await readSeal(jwks, selo);
    if (typeof seal === 'string') {
      fault(seal);
      continue;
    }
    const { rows } = await db.query<AuditRow>(
      `${rowsAfterSql} AND (transacao, sequencia) <= ($3::text::xid8, $4::bigint) ${inOrder}`,
      [...from, ...seal.through],
    );
    if (seal.previousHash !== previousHash)
      fault('the chain is broken: it names another seal as the one before');
    if (rows.length !== seal.records) fault(`expected ${seal.records} rows, found ${rows.length}`);
    else if (hashOf(rows, seal.previousHash) !== seal.hash) fault('a row was changed after it was sealed');
    await comparePublished(store, batch, selo, fault);
    from = seal.through;
    previousHash = seal.hash;
    records += rows.length;
  }
  const published = await lastPublished(store);
  const last = Number(seals.at(-1)?.lote ?? 0);
  if (published > last)
    faults.push({
      batch: published,
      fault: `the store has seal ${published}, the table ends at ${last}: its end was cut off`,
    });
  const { rows: rest } = await db.query(`SELECT count(*)::int AS n FROM (${rowsAfterSql}) rest`, from);
  return {
    intact: faults.length === 0,
    batches: seals.length,
    records,
    unsealed: Number(rest[0]?.n ?? 0),
    faults,
  };
};

const readSeal = async (jwks: PublicJwks, jws: string): Promise<Seal | string> => {
  const verified = await verifyJws({ jwks, type: sealType }, jws);
  return verified.valid
    ? (JSON.parse(verified.payload) as Seal)
    : `the signature does not hold: ${verified.message}`;
};

const comparePublished = async (
  store: Store,
  batch: number,
  selo: string,
  fault: (text: string) => void,
): Promise<void> => {
  try {
    const published = await (await store.get(sealKey(batch))).bytes();
    if (published.toString('utf8') !== selo) fault('the published seal is another one');
  } catch (error) {
    if (!(error instanceof ObjectNotFoundError)) throw error;
    fault('the published seal is missing');
  }
};

const lastPublished = async (store: Store): Promise<number> => {
  let last = 0;
  for await (const { key } of store.list('audit/seals/')) {
    const batch = Number(/(\d{12})\.jws$/.exec(key)?.[1] ?? 0);
    last = Math.max(last, batch);
  }
  return last;
};
