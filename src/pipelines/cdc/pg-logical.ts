import type { CustomSource, SourcePage } from '../declaration.ts';
import { type LogLimits, readLogPage } from './log-reading.ts';
import { formatLsn, parseLsn } from './lsn.ts';
import { lookUp, readRows, rowRecord } from './pg-rows.ts';
import { type SourceDatabase, sourceUrl, withClient } from './pg-source.ts';
import { keyColumns, parseTable, readTable, type SourceTable, sourceAddress } from './pg-table.ts';
import {
  checkPublication,
  confirmSlot,
  currentPosition,
  formatPosition,
  type LogPosition,
  openSlot,
  parsePosition,
  slotStatus,
} from './replication-slot.ts';

export type LogicalSourceOptions = SourceDatabase & {
  /** `schema.table`; without a schema it is `public`. It needs a primary key. */
  readonly table: string;
  /** Made by the owner of the source: `CREATE PUBLICATION lastro FOR TABLE …`. */
  readonly publication: string;
  /** Made here where it is missing. One for each pipeline. Default: `lastro_<schema>_<table>`. */
  readonly slot?: string;
  /** Most changes, or rows of the first reading, of one page. Default 20,000. */
  readonly pageRows?: number;
  /** Most bytes of one page, as the source sends them. Default 16 MiB. */
  readonly pageBytes?: number;
  /** More of its log than this, kept by the source for the slot, is an alert. Default 1 GiB. */
  readonly keptBytesLimit?: number;
};

/**
 * What finds the next page. First the table itself, in the order of its key, from when the slot is there; then the log
 * from that moment on: what changed while the table was read is in both, and the log, being newer, wins.
 */
type Next =
  | { phase: 'table'; after: string[] | null; from: string }
  | { phase: 'log'; lsn: string; skip: number; upTo: string; system: string };

type Reading = {
  readonly url: string;
  readonly slot: string;
  readonly options: LogicalSourceOptions;
  readonly limits: LogLimits;
};

const slotOf = ({ slot, table }: LogicalSourceOptions): string => {
  const { schema, table: name } = parseTable(table);
  const made =
    slot ??
    `lastro_${schema}_${name}`
      .toLowerCase()
      .replaceAll(/[^a-z0-9_]/g, '_')
      .slice(0, 63);
  if (!/^[a-z0-9_]{1,63}$/.test(made))
    throw new Error(`expected a slot of lower-case letters, digits and _, found ${JSON.stringify(made)}`);
  return made;
};

const toBody = (records: readonly unknown[]): Uint8Array => Buffer.from(JSON.stringify(records));

const tablePage = (
  { url, limits }: Reading,
  next: Extract<Next, { phase: 'table' }>,
  table: SourceTable,
): Promise<SourcePage> =>
  withClient(url, async (db) => {
    const start = parsePosition(next.from);
    const page = await readRows(db, table, {
      order: keyColumns(table),
      after: next.after,
      limit: Math.min(limits.changes, 20_000),
    });
    const records = page.rows.map((row, n) => ({
      ...rowRecord(table, row),
      _op: 'snapshot',
      _lsn: start.lsn.toString(),
      _seq: n,
    }));
    const following: Next = page.next
      ? { ...next, after: page.next }
      : logFrom(start, await currentPosition(db));
    return {
      body: toBody(records),
      address: sourceAddress(url, table),
      next: JSON.stringify(following),
    };
  });

/** Everything that was committed by now is taken: a later end would move away while it is read. */
const logFrom = (from: LogPosition, now: LogPosition): Next => ({
  phase: 'log',
  lsn: formatLsn(from.lsn),
  skip: 0,
  upTo: formatLsn(now.lsn),
  system: from.system,
});

const logPage = async (
  { url, slot, options, limits }: Reading,
  next: Extract<Next, { phase: 'log' }>,
  table: SourceTable,
  signal: AbortSignal,
): Promise<SourcePage> => {
  const page = await readLogPage(
    { url, slot, publication: options.publication },
    table,
    { lsn: parseLsn(next.lsn), skip: next.skip },
    { upTo: parseLsn(next.upTo), limits, signal },
  );
  if (page.missing.length > 0) await withClient(url, (db) => lookUp(db, table, page.missing));
  return {
    body: toBody(page.records),
    address: `${sourceAddress(url, table)} slot ${slot} from ${next.lsn}`,
    next:
      page.next &&
      JSON.stringify({ ...next, lsn: formatLsn(page.next.lsn), skip: page.next.skip } satisfies Next),
    watermark: formatPosition({ system: next.system, lsn: page.complete }),
  };
};

/**
 * A table of PostgreSQL by logical replication (`pgoutput`): every insert, update, delete and truncate, each once, in
 * the order of their commits. The first window also reads the table itself. The watermark is a position of the log; the
 * source is told that it may forget what lies before only after it is committed here.
 *
 * Reading needs `wal_level = logical`, a role with REPLICATION, a publication, and a primary key. See change-record.ts
 * for what a record is.
 */
export const pgLogicalSource = (options: LogicalSourceOptions): CustomSource => {
  const slot = slotOf(options);
  const limits: LogLimits = {
    changes: options.pageRows ?? 20_000,
    bytes: options.pageBytes ?? 16 * 1024 * 1024,
  };
  return {
    kind: 'custom',
    name: `postgres log ${options.table} publication ${options.publication} slot ${slot}`,
    read: async ({ next, watermark, env, signal }) => {
      const reading: Reading = { url: sourceUrl(options, env), slot, options, limits };
      const before = watermark === null ? null : parsePosition(watermark);
      const { table, place } = await withClient(reading.url, async (db) => {
        await checkPublication(db, options.publication, options.table);
        const start = await openSlot(db, slot, before);
        const table = await readTable(db, options.table);
        if (next !== null) return { table, place: JSON.parse(next) as Next };
        const first: Next = before
          ? logFrom(start, await currentPosition(db))
          : { phase: 'table', after: null, from: formatPosition(start) };
        return { table, place: first };
      });
      return place.phase === 'table'
        ? tablePage(reading, place, table)
        : logPage(reading, place, table, signal);
    },
    acknowledge: (watermark, env) =>
      withClient(sourceUrl(options, env), (db) => confirmSlot(db, slot, parsePosition(watermark))),
    hold: async (env) => {
      const found = await withClient(sourceUrl(options, env), (db) => slotStatus(db, slot), {
        timeoutMs: 5_000,
      });
      return (
        found && {
          what: `slot ${slot}`,
          bytes: found.keptBytes,
          limitBytes: options.keptBytesLimit ?? 1024 ** 3,
          state: found.walStatus,
          unreadSeconds: found.unreadSeconds,
        }
      );
    },
  };
};
