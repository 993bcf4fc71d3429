import {
  type ChangeRecord,
  type MissingValue,
  type RowChange,
  type TransactionFacts,
  toRecords,
} from './change-record.ts';
import { keyColumns, type SourceTable } from './pg-table.ts';
import type { Message, Relation } from './pgoutput.ts';
import { whileInUse } from './replication-slot.ts';
import { openReplication, type ReplicationRequest } from './replication-stream.ts';

/** Where a page of the log begins: after the transactions before `lsn`, and after `skip` changes of the next one. */
export type LogPlace = { readonly lsn: bigint; readonly skip: number };

export type LogPage = {
  readonly records: ChangeRecord[];
  readonly missing: MissingValue[];
  /** null: the log was read as far as `upTo`. */
  readonly next: LogPlace | null;
  /** Every transaction before it is in this page or an earlier one, whole. */
  readonly complete: bigint;
};

export type LogLimits = { readonly changes: number; readonly bytes: number };

/**
 * Reads the changes of one table from `place` up to the position `upTo`, or as many as fit a page. A page may end within
 * a transaction: the order of its changes is the same whenever the log is read, so the next page skips those it had.
 * @throws Error for a table whose old rows can't be told apart
 */
export const readLogPage = async (
  request: Omit<ReplicationRequest, 'from' | 'signal'>,
  table: SourceTable,
  place: LogPlace,
  { upTo, limits, signal }: { upTo: bigint; limits: LogLimits; signal: AbortSignal },
): Promise<LogPage> => {
  const stream = await whileInUse(() => openReplication({ ...request, from: place.lsn, signal }), signal);
  const page = openPage(table, place);
  try {
    for (;;) {
      const event = await stream.next();
      const reached = event.kind === 'position' ? page.atRest(event.caughtUpTo) : page.take(event.message);
      if (event.kind === 'message') page.bytes += event.bytes;
      if (reached !== undefined && reached >= upTo) return page.close(upTo, true);
      if (page.changes >= limits.changes || page.bytes >= limits.bytes) return page.close(upTo, false);
    }
  } finally {
    await stream.close();
  }
};

type Open = { facts: TransactionFacts; count: number };

const openPage = (table: SourceTable, place: LogPlace) => {
  const records: ChangeRecord[] = [];
  const missing: MissingValue[] = [];
  const relations = new Map<number, Relation>();
  const key = keyColumns(table).map(({ name }) => name);
  let transaction: Open | undefined;
  let complete = place.lsn;
  // What the first transaction of the page still has to leave out.
  let skip = place.skip;

  const page = {
    changes: 0,
    bytes: 0,
    /** Between transactions the server may be further than our last one: nothing of ours lay in between. */
    atRest: (position: bigint): bigint | undefined => {
      if (transaction) return undefined;
      if (position > complete) complete = position;
      return complete;
    },
    /** Takes a message; gives the position that is reached where it ends a transaction. */
    take: (message: Message): bigint | undefined => {
      switch (message.kind) {
        case 'begin':
          transaction = {
            facts: { lsn: message.finalLsn, xid: message.xid, committedAt: message.committedAt },
            count: 0,
          };
          return undefined;
        case 'commit':
          transaction = undefined;
          skip = 0;
          complete = message.endLsn;
          return complete;
        case 'relation':
          relations.set(message.relation.oid, ofTable(message.relation, table));
          return undefined;
        case 'insert':
          addChange(message.oid, { kind: 'insert', row: message.row });
          return undefined;
        case 'update':
          addChange(message.oid, { kind: 'update', row: message.row, old: message.old });
          return undefined;
        case 'delete':
          addChange(message.oid, { kind: 'delete', old: message.old });
          return undefined;
        case 'truncate':
          for (const oid of message.oids) addChange(oid, { kind: 'truncate' });
          return undefined;
        case 'other':
          return undefined;
      }
    },
    close: (upTo: bigint, isLast: boolean): LogPage => {
      if (isLast && upTo > complete) complete = upTo;
      const next = isLast ? null : { lsn: complete, skip: transaction?.count ?? 0 };
      return { records, missing, next, complete };
    },
  };

  const addChange = (oid: number, change: RowChange): void => {
    const relation = relations.get(oid);
    if (!relation || relation.table !== table.table || relation.schema !== table.schema) return;
    if (!transaction) throw new Error('expected a change inside of a transaction, found one outside');
    transaction.count++;
    if (transaction.count <= skip) return;
    const made = toRecords(relation, key, change, transaction.facts, transaction.count * 2);
    records.push(...made.records);
    missing.push(...made.missing);
    page.changes++;
  };
  return page;
};

const ofTable = (relation: Relation, { schema, table }: SourceTable): Relation => {
  if (relation.schema === schema && relation.table === table && relation.identity === 'nothing') {
    throw new Error(
      `${schema}.${table} has REPLICA IDENTITY NOTHING: its updates and deletions can't be followed; ALTER TABLE … REPLICA IDENTITY DEFAULT (or FULL)`,
    );
  }
  return relation;
};
