import { readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { findTable, loadTable } from '../lake/tables.ts';
import { recordAudit } from '../platform/audit.ts';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { transaction } from '../platform/postgres.ts';
import { parsePublicJwks, publicJwks } from '../platform/signing-keys.ts';
import { maskJsonText } from '../shared/mask.ts';
import { readVersions } from './archived-lookup.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { listAreas } from './areas.ts';
import { inRoom } from './commands.ts';
import { compactArchive } from './compact.ts';
import { parseAge, parseMonth } from './due.ts';
import type { Item } from './item.ts';
import { encodeMembers } from './json-values.ts';
import { receiptShape, verifyReceipt } from './receipt.ts';
import { makeReceipt, NotArchivedError } from './receipts.ts';
import { restoreOrders } from './restore.ts';
import { type AreaChange, changeArea } from './retention.ts';
import { archiveStatus } from './status.ts';
import { versionsOf } from './versions.ts';

type Json = { json?: boolean };

const print = (context: CliContext, value: unknown): Promise<void> =>
  write(context.stdout, `${JSON.stringify(value)}\n`);

/** Who sits at the terminal, for the audit trail. */
export const operator = (): string => `terminal:${userInfo().username}`;

/** `lastro archive status` */
export const statusCommand = (
  context: CliContext,
  { json, check }: Json & { check?: boolean },
): Promise<void> =>
  inRoom(context, async (room) => {
    const status = await archiveStatus({ db: room.pool, lake: room.lake }, room.request.table);
    if (json) await print(context, status);
    else {
      const { lastRun, batches, orders, waiting, holes, table } = status;
      const counted = (counts: object): string =>
        Object.entries(counts)
          .map(
            ([name, count]) =>
              `${typeof count === 'number' ? count : `${count.batches} (${count.orders} orders)`} ${name}`,
          )
          .join(', ') || 'none';
      const lines = [
        lastRun
          ? `last run   ${lastRun.runId} ${lastRun.state} since ${lastRun.startedAt}${lastRun.error ? `: ${lastRun.error}` : ''}`
          : 'last run   none',
        `batches    ${counted(batches)}`,
        `orders     ${counted(orders)}`,
        `waiting    ${waiting.orders} for their removal${waiting.next ? `, the next at ${waiting.next}` : ''}`,
        table
          ? `table      ${table.rows} rows in ${table.files} files (${(table.bytes / 1e6).toFixed(1)} MB), ${table.smallFiles} below 128 KB`
          : 'table      not made yet',
        ...holes.map((hole) => `hole       ${hole.source} ${hole.from.slice(0, 7)}: ${hole.error}`),
      ];
      await write(context.stdout, `${lines.join('\n')}\n`);
    }
    if (check && (status.holes.length > 0 || status.lastRun?.state === 'failed')) process.exitCode = 1;
  });

/** `lastro archive receipt ORDER` */
export const receiptCommand = (
  context: CliContext,
  orderId: string,
  { out }: { out?: string },
): Promise<void> =>
  inRoom(context, async (room) => {
    try {
      const receipt = await makeReceipt({ db: room.pool, lake: room.lake }, { orderId });
      const text = `${JSON.stringify(receipt, null, 2)}\n`;
      if (out === undefined) await write(context.stdout, text);
      else await writeFile(out, text);
    } catch (error) {
      throw error instanceof NotArchivedError ? new UserError(error.message, 1) : error;
    }
  });

const readText = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((error: unknown) => {
    throw new UserError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });

const parseJson = (text: string, path: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${path}: expected JSON, found other text`);
  }
};

/** Items on the command line come as `aws dynamodb get-item` prints them: bytes as base64. */
const itemFrom = (json: unknown): Item => {
  const typed = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map(typed);
    const [[type, inside] = []] = Object.entries(value);
    if (type === 'B') return { B: Buffer.from(String(inside), 'base64') };
    if (type === 'BS' && Array.isArray(inside))
      return { BS: inside.map((each) => Buffer.from(String(each), 'base64')) };
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, typed(each)]));
  };
  const found = typeof json === 'object' && json !== null && 'Item' in json ? json.Item : json;
  return typed(found) as Item;
};

/** `lastro archive verify FILE`: needs no database, no lake and no network. */
export const verifyCommand = async (
  context: CliContext,
  path: string,
  { keys, item, json }: Json & { keys?: string; item?: string },
): Promise<void> => {
  const parsed = receiptShape.safeParse(parseJson(await readText(path), path));
  if (!parsed.success) {
    throw new UserError(
      `${path}: expected a receipt of the archive: ${parsed.error.issues.map((issue) => `/${issue.path.join('/')}: ${issue.message}`).join('; ')}`,
    );
  }
  const keysPath = keys ?? `${context.config().LASTRO_HOME}/signing-keys.json`;
  const jwks = parsePublicJwks(await readText(keysPath), keysPath);
  const given = item === undefined ? undefined : itemFrom(parseJson(await readText(item), item));
  const verdict = await verifyReceipt(parsed.data, { jwks, ...(given ? { item: given } : {}) });
  if (json) await print(context, verdict);
  else if (verdict.valid) {
    const { statement } = verdict;
    await write(
      context.stdout,
      `valid: order ${parsed.data.order.orderId} was archived at ${statement.archivedAt} in batch ${statement.batch} (${statement.areaId} ${statement.month}, ${statement.orders} orders)${given ? '; the item given is the version archived' : ''}\n`,
    );
  } else await write(context.stdout, `NOT valid: ${verdict.reason}\n`);
  if (!verdict.valid) process.exitCode = 1;
};

export type RestoreOptions = Json & {
  order?: string[];
  area?: string;
  month?: string;
  keepDays: string;
  dryRun?: boolean;
};

/** `lastro archive restore` */
export const restoreCommand = (context: CliContext, options: RestoreOptions): Promise<void> =>
  inRoom(context, async (room) => {
    const { order, area, month } = options;
    if (!order && area === undefined && month === undefined)
      throw new UserError('expected --order, --area or --month: what to put back');
    if (order && (area !== undefined || month !== undefined))
      throw new UserError('expected --order or --area and --month, found both');
    const keepDays = Number(options.keepDays);
    if (!(keepDays > 0)) throw new UserError(`expected days for --keep-days, found ${options.keepDays}`);
    const counts: Record<string, number> = {};
    const restored = restoreOrders(room, {
      ...{ by: operator(), keepDays, signal: context.signal },
      ...(order ? { orderIds: order } : {}),
      ...(area === undefined ? {} : { areaId: area }),
      ...(month === undefined ? {} : { month: parseMonth(month) }),
      ...(options.dryRun ? { dryRun: true } : {}),
    });
    for await (const { orderId, outcome } of restored) {
      counts[outcome] = (counts[outcome] ?? 0) + 1;
      if (outcome === 'newer' || outcome === 'not archived') context.stderr.write(`${orderId}: ${outcome}\n`);
    }
    if (options.json) await print(context, counts);
    else
      await write(
        context.stdout,
        `${
          Object.entries(counts)
            .map(([outcome, count]) => `${count} ${outcome}`)
            .join(', ') || 'nothing to put back'
        }\n`,
      );
    if ((counts.newer ?? 0) + (counts['not archived'] ?? 0) > 0) process.exitCode = 1;
  });

/** `lastro archive show ORDER`: every look is in the audit trail; personal data are masked unless a reason is given. */
export const showCommand = (
  context: CliContext,
  orderId: string,
  { unmasked }: { unmasked?: string },
): Promise<void> =>
  inRoom(context, async (room) => {
    const [version] = await versionsOf(room.pool, orderId);
    await recordAudit(room.pool, {
      ...{ at: room.clock(), by: operator(), action: 'archive.show', resource: orderId },
      detail: {
        found: version !== undefined,
        ...(unmasked === undefined ? { masked: true } : { masked: false, reason: unmasked }),
      },
    });
    if (!version) throw new UserError(`order ${orderId} is not in the archive`, 1);
    for await (const { item } of readVersions({ lake: room.lake, db: room.pool }, [version])) {
      const text = `{${encodeMembers(item)}}\n`;
      await write(context.stdout, unmasked === undefined ? maskJsonText(text) : text);
    }
  });

/** `lastro archive compact` */
export const compactCommand = (
  context: CliContext,
  { json, dryRun }: Json & { dryRun?: boolean },
): Promise<void> =>
  inRoom(context, async (room) => {
    if (dryRun) {
      const { table } = await archiveStatus({ db: room.pool, lake: room.lake }, room.request.table);
      return write(
        context.stdout,
        `${table?.files ?? 0} files, ${table?.smallFiles ?? 0} of them below 128 KB\n`,
      );
    }
    if (!(await findTable(room.lake, archivedOrdersTable)))
      throw new UserError('nothing was archived yet', 1);
    const done = await compactArchive(
      { ...room, table: room.request.table },
      {
        which: 'all',
        signal: context.signal,
        onProgress: ({ partitions }) => void context.stderr.write(`${partitions} months and areas joined\n`),
      },
    );
    const { committed: _committed, ...counts } = done;
    if (json) await print(context, counts);
    else
      await write(
        context.stdout,
        `${done.filesBefore} files joined into ${done.filesAfter} in ${done.partitions} months and areas\n`,
      );
  });

export type AreaOptions = Json & {
  olderThan?: string;
  retentionMonths?: string;
  hold?: string;
  release?: boolean;
  dryRun?: boolean;
};

const areaChange = (options: AreaOptions): AreaChange => {
  const { olderThan, retentionMonths, hold, release } = options;
  if (hold !== undefined && release) throw new UserError('expected --hold or --release, found both');
  if (olderThan !== undefined && olderThan !== 'default') parseAge(olderThan);
  if (retentionMonths !== undefined && !/^([1-9]\d{0,3}|none)$/.test(retentionMonths)) {
    throw new UserError(`expected months or "none" for --retention-months, found ${retentionMonths}`);
  }
  return {
    ...(olderThan === undefined ? {} : { olderThan: olderThan === 'default' ? null : olderThan }),
    ...(retentionMonths === undefined
      ? {}
      : { retentionMonths: retentionMonths === 'none' ? null : Number(retentionMonths) }),
    ...(hold === undefined ? (release ? { hold: null } : {}) : { hold: { reason: hold } }),
  };
};

/** `lastro archive area [ID]` and `lastro archive hold ID` */
export const areaCommand = (
  context: CliContext,
  areaId: string | undefined,
  options: AreaOptions,
): Promise<void> =>
  inRoom(context, async ({ pool, clock }) => {
    const change = areaChange(options);
    if (Object.keys(change).length > 0) {
      if (areaId === undefined) throw new UserError('expected the id of an area to change');
      if (!options.dryRun)
        await transaction(pool, (tx) => changeArea(tx, areaId, change, { by: operator(), now: clock() }));
    }
    const areas = (await listAreas(pool)).filter((rules) => areaId === undefined || rules.areaId === areaId);
    if (options.json) return print(context, areas);
    const lines = areas.map(
      ({ areaId: id, olderThan, retentionMonths, hold }) =>
        `${id.padEnd(14)} age ${olderThan ?? 'default'}, kept ${retentionMonths === null ? 'without a term' : `${retentionMonths} months`}${hold ? `, HELD since ${hold.since.toISOString().slice(0, 10)}: ${hold.reason}` : ''}`,
    );
    await write(context.stdout, `${lines.join('\n') || 'no area has rules of its own'}\n`);
  });

/** The key set for whoever checks receipts: `lastro archive keys > keys.json`. */
export const keysCommand = (context: CliContext): Promise<void> =>
  inRoom(context, async ({ keys }) =>
    write(context.stdout, `${JSON.stringify(publicJwks(keys), null, 2)}\n`),
  );

export const dataPrefixes = async (
  lake: Parameters<typeof loadTable>[0],
): Promise<{ dataPrefix: string; tablePrefix: string }> => {
  const { metadata } = await loadTable(lake, archivedOrdersTable);
  const tablePrefix = `${metadata.location.slice(lake.store.url.length + 1)}/`;
  return { dataPrefix: `${tablePrefix}data/`, tablePrefix };
};
