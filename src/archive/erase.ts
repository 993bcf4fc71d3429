import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataFile } from '../lake/data-file.ts';
import { expireSnapshots, purgeDroppedTable } from '../lake/maintenance.ts';
import type { ScanFile } from '../lake/scan.ts';
import { dropTable, findTable, loadTable, overwriteFiles, type Table } from '../lake/tables.ts';
import { recordAudit } from '../platform/audit.ts';
import { UserError } from '../platform/cli.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import { anonymous, withoutMentions } from './anonymous.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { rowsOfFile } from './archived-rows.ts';
import { openBatches } from './batches.ts';
import { type CareDeps, withTools } from './compact.ts';
import { monthOf } from './due.ts';
import { itemHash } from './item.ts';
import type { Identifier } from './mentions.ts';
import { orderLookupTable, refreshOrderLookup } from './order-lookup.ts';
import { type Retained, retainedBy, rulesByArea } from './retention.ts';
import { itemOf, rowOf } from './row.ts';
import { sourceOf } from './runs.ts';
import { openStage, removeStage, stagedOrder } from './staging.ts';
import {
  type FoundOrder,
  findSubject,
  type MentionedOrder,
  roleOf,
  type Subject,
  type SubjectSearch,
} from './subject-search.ts';
import { writeStage } from './write.ts';

export type EraseDeps = CareDeps & {
  readonly clock: () => Date;
  /** Which of these orders are in DynamoDB still: the order service has to erase them there. */
  readonly liveOrders: (orderIds: readonly string[]) => Promise<readonly string[]>;
  /** Ids of issued reports that may hold any of these orders: they are named, so that people can withdraw them. */
  readonly issuedReports?: (orders: readonly FoundOrder[]) => Promise<readonly string[]>;
  /** Removes what the store keeps of deleted objects (versions of a bucket). Absent: the store keeps nothing. */
  readonly purgeVersions?: (prefix: string) => Promise<number>;
  /** Called at each named point; what it throws ends the erasure as a crash would. */
  readonly fault?: (point: 'before-erase' | 'after-erase') => void | Promise<void>;
};

export type EraseRequest = {
  readonly subject: Subject;
  /** By what else the person is known: found in free text, besides what stands in the person's own entries. */
  readonly known?: readonly Identifier[];
  /** `anonymise` keeps the rows, without the person; `erase` removes orders that the person requested. */
  readonly mode: 'erase' | 'anonymise';
  /** Number of the request in the bank's own register. */
  readonly reference: string;
  readonly by: string;
  readonly dryRun?: boolean;
};

/** A mention of the person in an order of others, and what became of it. `kept`: a retention or hold, or it is a number. */
export type ToldMention = {
  readonly orderId: string;
  readonly areaId: string;
  readonly where: string;
  readonly kind: Identifier['kind'];
  readonly outcome: 'replaced' | 'kept' | 'found';
};

export type Erased = {
  readonly erasureId: string | null;
  readonly found: readonly FoundOrder[];
  /** In orders of others; `found`: nothing was changed. */
  readonly mentions: readonly ToldMention[];
  /** Not empty: nothing was erased. */
  readonly retained: readonly Retained[];
  readonly erased: number;
  readonly anonymised: number;
  readonly files: number;
  readonly snapshots: number;
  readonly versions: number;
  readonly reports: readonly string[];
  /** Of the orders found: those that are in DynamoDB too, and would be archived from there again. */
  readonly live: readonly string[];
};

/**
 * Erases a person from the archive, or makes them anonymous: files that hold one of their orders are written anew, the
 * orders' receipts are emptied (the leaves stay, so that the proofs of all others hold), and every older snapshot is
 * expired. Refused as a whole where a legal hold or a retention stands. Killed after its commit, the same call again
 * finds nothing to rewrite and expires what is left.
 *
 * Orders of others that mention the person by CPF, e-mail or phone are found too, and the mention is replaced; where a
 * retention or a hold stands on such an order it stays, and so does a number: they are named.
 *
 * What is in DynamoDB still, and in reports that were issued, is not touched: the reports are named.
 * @throws LeaseHeldError a run works on the table
 */
export const erase = (deps: EraseDeps, request: EraseRequest): Promise<Erased> =>
  withTools(deps, async (tools) => {
    const { lake, pool, clock } = deps;
    await requireProven(deps);
    const basis = await loadTable(lake, archivedOrdersTable);
    const search = await findSubject(deps, basis, request);
    const { orders, mentioned } = search;
    const rules = await rulesByArea(pool);
    const now = clock();
    const groundOf = (order: FoundOrder): Retained | null => retainedBy(rules.get(order.areaId), order, now);
    const retained = orders.flatMap((order) => groundOf(order) ?? []);
    const cleaned = mentioned.filter(
      (order) => !groundOf(order) && order.mentions.some(({ isNumber }) => !isNumber),
    );
    const changed: readonly FoundOrder[] = [...orders, ...cleaned];
    const reports = (await deps.issuedReports?.([...orders, ...mentioned])) ?? [];
    const live = await deps.liveOrders([...orders, ...mentioned].map(({ orderId }) => orderId));
    const none = {
      erasureId: null,
      found: orders,
      mentions: toldMentions(mentioned, null),
      retained,
      erased: 0,
      anonymised: 0,
      files: 0,
      snapshots: 0,
      versions: 0,
      reports,
      live,
    };
    if (request.dryRun || retained.length > 0) {
      const outcome = request.dryRun ? 'dry run' : 'refused';
      await access(deps, request, { outcome, orders: orders.length, mentions: mentioned.length });
      return none;
    }
    const erasureId = newId('era', now);
    const written = { add: [] as DataFile[], erased: 0, anonymised: 0 };
    const folder = join(deps.stagingFolder, 'archive-erase');
    await mkdir(folder, { recursive: true });
    const files = [...new Set(changed.map(({ path }) => path))].flatMap(
      (path) => search.files.get(path) ?? [],
    );
    const versions = new Set(changed.map(versionKey));
    for (const [at, file] of files.entries()) {
      const done = await rewriteFile(tools, basis, file, { ...request, search, versions }, { folder, at });
      written.add.push(...done.add);
      written.erased += done.erased;
      written.anonymised += done.anonymised;
    }
    const mentions = toldMentions(mentioned, (order) => cleaned.includes(order));
    await deps.fault?.('before-erase');
    await transaction(pool, async (tx) => {
      if (files.length > 0) {
        const change = { basis, remove: files, add: written.add };
        await overwriteFiles(lake, archivedOrdersTable, change, {
          tx,
          commitId: erasureId,
          forgetBounds: true,
        });
      }
      await emptyReceipts(tx, changed);
      await tx.query(
        `INSERT INTO archive_erasures (erasure_id, reference, mode, requested_by, begun_at, orders, files, reports, mentions)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        [
          ...[erasureId, request.reference, request.mode, request.by, now, orders.length, files.length],
          ...[reports, JSON.stringify(mentions)],
        ],
      );
      await recordAudit(tx, {
        ...{ at: now, by: request.by, action: `archive.${request.mode}`, resource: erasureId },
        detail: {
          reference: request.reference,
          orders: orders.length,
          files: files.length,
          reports: reports.length,
          mentions: mentions.length,
        },
      });
    });
    await deps.fault?.('after-erase');
    const ended = await forgetOldSnapshots(deps);
    // The lookup holds hashes of the person's keys: made anew from what is left.
    if (await findTable(lake, orderLookupTable))
      await purgeDroppedTable(lake, await dropTable(lake, orderLookupTable));
    await refreshOrderLookup(tools);
    await pool.query('UPDATE archive_erasures SET finished_at = clock_timestamp() WHERE finished_at IS NULL');
    return {
      ...none,
      erasureId,
      mentions,
      erased: written.erased,
      anonymised: written.anonymised,
      files: files.length,
      ...ended,
    };
  });

/** A batch whose run died before its proof would be read back with rows that an erasure has changed, and be rejected. */
const requireProven = async ({ pool, table }: EraseDeps): Promise<void> => {
  const open = await openBatches(pool, sourceOf(table));
  const unproven = open.find(({ state }) => state === 'committed');
  if (unproven) {
    throw new UserError(
      `batch ${unproven.batchId} is committed and not proven yet: run \`lastro archive run\`, then erase`,
      1,
    );
  }
};

/** Old snapshots reach the files that were rewritten: they go, with the object versions that a bucket keeps. */
const forgetOldSnapshots = async ({
  lake,
  clock,
  purgeVersions,
}: EraseDeps): Promise<{ snapshots: number; versions: number }> => {
  const olderThan = new Date(clock().getTime() + 1_000);
  const { snapshots } = await expireSnapshots(lake, archivedOrdersTable, { olderThan, keepLast: 1 });
  const { metadata } = await loadTable(lake, archivedOrdersTable);
  const prefix = `${metadata.location.slice(lake.store.url.length + 1)}/`;
  return { snapshots, versions: (await purgeVersions?.(prefix)) ?? 0 };
};

/** The access log: who looked for whom, also where nothing came of it. */
const access = (
  { pool, clock }: EraseDeps,
  request: EraseRequest,
  detail: Record<string, unknown>,
): Promise<void> =>
  recordAudit(pool, {
    ...{
      at: clock(),
      by: request.by,
      action: `archive.${request.mode}`,
      resource: subjectKey(request.subject),
    },
    detail: { reference: request.reference, ...detail },
  });

/** The trail is kept for years and cannot be erased: it names no person. */
export const subjectKey = (subject: Subject): string =>
  `subject:${createHash('sha256').update(JSON.stringify(subject)).digest('hex').slice(0, 16)}`;

const versionKey = ({ orderId, hash }: { orderId: string; hash: string }): string => `${orderId}\n${hash}`;

const toldMentions = (
  mentioned: readonly MentionedOrder[],
  isReplaced: ((order: MentionedOrder) => boolean) | null,
): ToldMention[] =>
  mentioned.flatMap((order) =>
    order.mentions.map(({ where, kind, isNumber }) => ({
      ...{ orderId: order.orderId, areaId: order.areaId, where, kind },
      outcome: isReplaced === null ? 'found' : isReplaced(order) && !isNumber ? 'replaced' : 'kept',
    })),
  );

const emptyReceipts = async (tx: Tx, versions: readonly FoundOrder[]): Promise<void> => {
  await tx.query(
    `UPDATE archive_receipts r SET outcome = 'erased', outcome_at = clock_timestamp(), ordem_id = NULL, version_hash = NULL, salt = NULL, versao = NULL
     FROM unnest($1::text[], $2::text[]) AS v (ordem_id, hash)
     WHERE r.ordem_id = v.ordem_id AND r.version_hash = decode(v.hash, 'hex')`,
    [versions.map(({ orderId }) => orderId), versions.map(({ hash }) => hash)],
  );
  const own = versions.filter(({ role }) => role !== 'mentioned').map(({ orderId }) => orderId);
  await tx.query('DELETE FROM archive_restores WHERE ordem_id = ANY ($1)', [own]);
};

type Tools = Parameters<Parameters<typeof withTools>[1]>[0];

const rewriteFile = async (
  { lake, session }: Tools,
  table: Table,
  file: ScanFile['file'],
  {
    subject,
    mode,
    search,
    versions,
  }: EraseRequest & {
    search: SubjectSearch;
    versions: ReadonlySet<string>;
  },
  { folder, at }: { folder: string; at: number },
): Promise<{ add: DataFile[]; erased: number; anonymised: number }> => {
  let stager: ReturnType<typeof openStage> | undefined;
  let [erased, anonymised] = [0, 0];
  for await (const rows of rowsOfFile(lake.store, file)) {
    for (const row of rows) {
      const { finder } = search;
      const role = roleOf(row, subject);
      const isMentioned = !role && versions.has(versionKey({ orderId: row.ordem_id, hash: row.hash_versao }));
      stager ??= openStage(folder, row.area_id, monthOf(row.data_criacao).from, at);
      if (!role && !isMentioned) stager.add(stagedOrder(row, row.hash_versao, row.arquivado_em));
      // Of an order that others requested only the person leaves, whatever was asked.
      else if (!isMentioned && mode === 'erase' && role !== 'participant') erased++;
      else {
        const whole = itemOf(row);
        const item = isMentioned
          ? withoutMentions(whole, finder)
          : anonymous(whole, 'clientId' in subject ? subject.clientId : row.cliente_requisitante_id, finder);
        stager.add(stagedOrder(rowOf(item), itemHash(item), row.arquivado_em));
        if (role) anonymised++;
      }
    }
  }
  const stage = stager?.close();
  if (!stage) return { add: [], erased, anonymised };
  try {
    const add =
      stage.orders.ids.length > 0 ? [await writeStage({ lake, session }, table, stage, new Date(0))] : [];
    return { add, erased, anonymised };
  } finally {
    await removeStage(stage);
  }
};
