import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataFile } from '../lake/data-file.ts';
import { expireSnapshots, purgeDroppedTable } from '../lake/maintenance.ts';
import { planFiles, type ScanFile } from '../lake/scan.ts';
import { dropTable, findTable, loadTable, overwriteFiles, type Table } from '../lake/tables.ts';
import { recordAudit } from '../platform/audit.ts';
import { UserError } from '../platform/cli.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import type { ArchivedRow } from './archived-file.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { rowsOfFile } from './archived-rows.ts';
import { openBatches } from './batches.ts';
import { type CareDeps, withTools } from './compact.ts';
import { monthOf } from './due.ts';
import { type AttributeValue, type Item, itemHash, setAttribute, textOf } from './item.ts';
import { orderLookupTable, refreshOrderLookup } from './order-lookup.ts';
import { type Retained, retainedBy, rulesByArea } from './retention.ts';
import { instantOf, itemOf, rowOf } from './row.ts';
import { sourceOf } from './runs.ts';
import { openStage, removeStage, stagedOrder } from './staging.ts';
import { writeStage } from './write.ts';

/** Whom an erasure is about: a client as requester or participant, or single orders. */
export type Subject = { readonly clientId: string } | { readonly orderIds: readonly string[] };

export type FoundOrder = {
  readonly orderId: string;
  readonly areaId: string;
  readonly role: 'requester' | 'participant' | 'named';
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly hash: string;
  /** Data file that holds it. */
  readonly path: string;
};

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
  /** `anonymise` keeps the rows, without the person; `erase` removes orders that the person requested. */
  readonly mode: 'erase' | 'anonymise';
  /** Number of the request in the bank's own register. */
  readonly reference: string;
  readonly by: string;
  readonly dryRun?: boolean;
};

export type Erased = {
  readonly erasureId: string | null;
  readonly found: readonly FoundOrder[];
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

const roleOf = (row: ArchivedRow, subject: Subject): FoundOrder['role'] | null => {
  if ('orderIds' in subject) return subject.orderIds.includes(row.ordem_id) ? 'named' : null;
  if (row.cliente_requisitante_id === subject.clientId) return 'requester';
  return row.cliente_participante_id?.includes(subject.clientId) ? 'participant' : null;
};

/** Every archived order of the subject. Files whose bounds exclude a named order are not read. */
export const findSubject = async (
  { lake }: Pick<CareDeps, 'lake'>,
  table: Table,
  subject: Subject,
): Promise<{ orders: FoundOrder[]; files: ScanFile[] }> => {
  const filter =
    'orderIds' in subject ? [{ column: 'ordem_id', op: 'in' as const, values: [...subject.orderIds] }] : [];
  const plan = await planFiles(lake, table, { filter });
  const orders: FoundOrder[] = [];
  const files: ScanFile[] = [];
  for (const each of plan.files) {
    const before = orders.length;
    for await (const rows of rowsOfFile(lake.store, each.file)) {
      for (const row of rows) {
        const role = roleOf(row, subject);
        if (!role) continue;
        const updated = instantOf(textOf(itemOf(row).data_atualizacao) ?? '') ?? row.arquivado_em;
        orders.push({
          ...{
            orderId: row.ordem_id,
            areaId: row.area_id,
            role,
            createdAt: row.data_criacao,
            updatedAt: updated,
          },
          ...{ hash: row.hash_versao, path: each.file.path },
        });
      }
    }
    if (orders.length > before) files.push(each);
  }
  return { orders, files };
};

/**
 * Erases a person from the archive, or makes them anonymous: files that hold one of their orders are written anew, the
 * orders' receipts are emptied (the leaves stay, so that the proofs of all others hold), and every older snapshot is
 * expired. Refused as a whole where a legal hold or a retention stands. Killed after its commit, the same call again
 * finds nothing to rewrite and expires what is left.
 *
 * What is in DynamoDB still, and in reports that were issued, is not touched: the reports are named.
 * @throws LeaseHeldError a run works on the table
 */
export const erase = (deps: EraseDeps, request: EraseRequest): Promise<Erased> =>
  withTools(deps, async (tools) => {
    const { lake, pool, clock } = deps;
    await requireProven(deps);
    const basis = await loadTable(lake, archivedOrdersTable);
    const { orders, files } = await findSubject(deps, basis, request.subject);
    const rules = await rulesByArea(pool);
    const now = clock();
    const retained = orders.flatMap((order) => retainedBy(rules.get(order.areaId), order, now) ?? []);
    const reports = (await deps.issuedReports?.(orders)) ?? [];
    const live = await deps.liveOrders(orders.map(({ orderId }) => orderId));
    const none = {
      erasureId: null,
      found: orders,
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
      await access(deps, request, { outcome: request.dryRun ? 'dry run' : 'refused', orders: orders.length });
      return none;
    }
    const erasureId = newId('era', now);
    const written = { add: [] as DataFile[], erased: 0, anonymised: 0 };
    const folder = join(deps.stagingFolder, 'archive-erase');
    await mkdir(folder, { recursive: true });
    for (const [at, { file }] of files.entries()) {
      const done = await rewriteFile(tools, basis, file, request, { folder, at });
      written.add.push(...done.add);
      written.erased += done.erased;
      written.anonymised += done.anonymised;
    }
    await deps.fault?.('before-erase');
    await transaction(pool, async (tx) => {
      if (files.length > 0) {
        const change = { basis, remove: files.map(({ file }) => file), add: written.add };
        await overwriteFiles(lake, archivedOrdersTable, change, {
          tx,
          commitId: erasureId,
          forgetBounds: true,
        });
      }
      await emptyReceipts(
        tx,
        orders.map(({ orderId }) => orderId),
      );
      await tx.query(
        `INSERT INTO archive_erasures (erasure_id, reference, mode, requested_by, begun_at, orders, files, reports)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [erasureId, request.reference, request.mode, request.by, now, orders.length, files.length, reports],
      );
      await recordAudit(tx, {
        ...{ at: now, by: request.by, action: `archive.${request.mode}`, resource: erasureId },
        detail: {
          reference: request.reference,
          orders: orders.length,
          files: files.length,
          reports: reports.length,
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

const emptyReceipts = async (tx: Tx, orderIds: readonly string[]): Promise<void> => {
  await tx.query(
    `UPDATE archive_receipts SET outcome = 'erased', outcome_at = clock_timestamp(), ordem_id = NULL, version_hash = NULL, salt = NULL, versao = NULL
     WHERE ordem_id = ANY ($1)`,
    [orderIds],
  );
  await tx.query('DELETE FROM archive_restores WHERE ordem_id = ANY ($1)', [orderIds]);
};

type Tools = Parameters<Parameters<typeof withTools>[1]>[0];

const rewriteFile = async (
  { lake, session }: Tools,
  table: Table,
  file: ScanFile['file'],
  { subject, mode }: EraseRequest,
  { folder, at }: { folder: string; at: number },
): Promise<{ add: DataFile[]; erased: number; anonymised: number }> => {
  let stager: ReturnType<typeof openStage> | undefined;
  let [erased, anonymised] = [0, 0];
  for await (const rows of rowsOfFile(lake.store, file)) {
    for (const row of rows) {
      const role = roleOf(row, subject);
      stager ??= openStage(folder, row.area_id, monthOf(row.data_criacao).from, at);
      if (!role) stager.add(stagedOrder(row, row.hash_versao, row.arquivado_em));
      // Of an order that others requested only the person leaves, whatever was asked.
      else if (mode === 'erase' && role !== 'participant') erased++;
      else {
        const item = anonymous(itemOf(row), subject);
        stager.add(stagedOrder(rowOf(item), itemHash(item), row.arquivado_em));
        anonymised++;
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

export const anonymousId = 'anonimizado';

/**
 * The order without the person: their id is replaced wherever it stands; of their entry as participant, and of the
 * whole order where they requested it, only what the model needs to count orders stays.
 */
export const anonymous = (item: Item, subject: Subject): Item => {
  const clientId = 'clientId' in subject ? subject.clientId : textOf(item.cliente_requisitante_id);
  const isRequester = textOf(item.cliente_requisitante_id) === clientId;
  const kept: Record<string, AttributeValue> = {};
  const plain = [
    'ordem_id',
    'area_id',
    'data_criacao',
    'data_atualizacao',
    'status_ordem',
    'versao',
    'regras',
  ];
  for (const name of Object.keys(item)) {
    const value = item[name] as AttributeValue;
    if (name === 'cliente_requisitante_id')
      kept[name] = { S: isRequester ? anonymousId : (textOf(value) ?? anonymousId) };
    else if (name === 'participantes') kept[name] = withoutPerson(value, clientId);
    else if (plain.includes(name) || !isRequester) setAttribute(kept, name, withoutText(value, clientId));
  }
  return kept;
};

const withoutPerson = (participants: AttributeValue, clientId: string | undefined): AttributeValue => {
  if (!('L' in participants)) return withoutText(participants, clientId);
  return {
    L: participants.L.map((each) => {
      if (!('M' in each) || textOf(each.M.cliente_participante_id) !== clientId)
        return withoutText(each, clientId);
      const papel = each.M.papel;
      return {
        M: { cliente_participante_id: { S: anonymousId }, ...(papel && 'S' in papel ? { papel } : {}) },
      };
    }),
  };
};

/** The id replaced wherever it stands in a text, at any depth. */
const withoutText = (value: AttributeValue, clientId: string | undefined): AttributeValue => {
  if (clientId === undefined || clientId === '') return value;
  const clean = (text: string): string => text.replaceAll(clientId, anonymousId);
  if ('S' in value) return { S: clean(value.S) };
  if ('SS' in value) return { SS: [...new Set(value.SS.map(clean))] };
  if ('L' in value) return { L: value.L.map((each) => withoutText(each, clientId)) };
  if (!('M' in value)) return value;
  const map: Record<string, AttributeValue> = {};
  for (const name of Object.keys(value.M))
    setAttribute(map, clean(name), withoutText(value.M[name] as AttributeValue, clientId));
  return { M: map };
};
