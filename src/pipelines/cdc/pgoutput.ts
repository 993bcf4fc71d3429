/**
 * Decodes pgoutput, PostgreSQL's own logical replication format (protocol version 1), as its documentation describes it
 * in "Logical Replication Message Formats". Values stay the text that PostgreSQL writes.
 */

/** A value: its text, null, or undefined where an update left a TOASTed value as it was and did not send it. */
export type Tuple = readonly (string | null | undefined)[];

export type RelationColumn = { readonly name: string; readonly typeOid: number; readonly isKey: boolean };

export type Relation = {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** What old rows are told by: the key, nothing at all, the whole row, or the columns of an index. */
  readonly identity: 'default' | 'nothing' | 'full' | 'index';
  readonly columns: readonly RelationColumn[];
};

/** The row as it was: its key columns only (others are null), or all of it. */
export type OldRow = { readonly kind: 'key' | 'full'; readonly tuple: Tuple };

export type Message =
  | { readonly kind: 'begin'; readonly finalLsn: bigint; readonly committedAt: Date; readonly xid: number }
  | { readonly kind: 'commit'; readonly commitLsn: bigint; readonly endLsn: bigint }
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'insert'; readonly oid: number; readonly row: Tuple }
  | { readonly kind: 'update'; readonly oid: number; readonly old: OldRow | null; readonly row: Tuple }
  | { readonly kind: 'delete'; readonly oid: number; readonly old: OldRow }
  | { readonly kind: 'truncate'; readonly oids: readonly number[] }
  /** Origins, types and messages of other programs: nothing that changes a row. */
  | { readonly kind: 'other' };

/** Bytes that are no pgoutput of this version. */
export class PgoutputError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PgoutputError';
  }
}

/** Milliseconds from 1970 to PostgreSQL's own epoch, 2000-01-01. */
const postgresEpochMs = 946_684_800_000;

export const postgresTime = (micros: bigint): Date => new Date(Number(micros / 1000n) + postgresEpochMs);

type Reader = {
  byte(): string;
  int16(): number;
  int32(): number;
  uint32(): number;
  int64(): bigint;
  text(): string;
  bytes(length: number): Buffer;
  readonly left: number;
};

const readerOf = (data: Buffer): Reader => {
  let at = 0;
  const take = (length: number): number => {
    if (length < 0 || at + length > data.length) {
      throw new PgoutputError(
        `expected ${length} bytes at ${at} of a message of ${data.length}, found its end`,
      );
    }
    at += length;
    return at - length;
  };
  return {
    byte: () => String.fromCharCode(data[take(1)] ?? 0),
    int16: () => data.readInt16BE(take(2)),
    int32: () => data.readInt32BE(take(4)),
    uint32: () => data.readUInt32BE(take(4)),
    int64: () => data.readBigUInt64BE(take(8)),
    text: () => {
      const end = data.indexOf(0, at);
      if (end < 0) throw new PgoutputError(`expected the end of a text that begins at ${at}, found none`);
      const start = take(end + 1 - at);
      return data.toString('utf8', start, end);
    },
    bytes: (length) => {
      const start = take(length);
      return data.subarray(start, start + length);
    },
    get left() {
      return data.length - at;
    },
  };
};

const readTuple = (reader: Reader): Tuple =>
  Array.from({ length: reader.int16() }, () => {
    const kind = reader.byte();
    if (kind === 'n') return null;
    if (kind === 'u') return undefined;
    if (kind === 't') return reader.bytes(reader.int32()).toString('utf8');
    throw new PgoutputError(`expected a value as n, u or t, found ${JSON.stringify(kind)}`);
  });

const identities: Record<string, Relation['identity']> = {
  d: 'default',
  n: 'nothing',
  f: 'full',
  i: 'index',
};

const readRelation = (reader: Reader): Relation => {
  const oid = reader.uint32();
  // An empty name stands for pg_catalog.
  const schema = reader.text() || 'pg_catalog';
  const table = reader.text();
  const identity = identities[reader.byte()];
  if (identity === undefined)
    throw new PgoutputError(`${schema}.${table}: a replica identity of an unknown kind`);
  const columns = Array.from({ length: reader.int16() }, () => {
    const isKey = reader.byte() === '\x01';
    const name = reader.text();
    const typeOid = reader.uint32();
    reader.int32();
    return { name, typeOid, isKey };
  });
  return { oid, schema, table, identity, columns };
};

const readOld = (reader: Reader, kind: string): OldRow => ({
  kind: kind === 'O' ? 'full' : 'key',
  tuple: readTuple(reader),
});

const expectNew = (kind: string): void => {
  if (kind !== 'N') throw new PgoutputError(`expected a new row (N), found ${JSON.stringify(kind)}`);
};

const readUpdate = (reader: Reader): Message => {
  const oid = reader.uint32();
  let kind = reader.byte();
  let old: OldRow | null = null;
  if (kind === 'K' || kind === 'O') {
    old = readOld(reader, kind);
    kind = reader.byte();
  }
  expectNew(kind);
  return { kind: 'update', oid, old, row: readTuple(reader) };
};

/** @throws PgoutputError */
export const decodeMessage = (data: Buffer): Message => {
  const reader = readerOf(data);
  const kind = reader.byte();
  switch (kind) {
    case 'B':
      return {
        kind: 'begin',
        finalLsn: reader.int64(),
        committedAt: postgresTime(reader.int64()),
        xid: reader.uint32(),
      };
    case 'C':
      reader.byte();
      return { kind: 'commit', commitLsn: reader.int64(), endLsn: reader.int64() };
    case 'R':
      return { kind: 'relation', relation: readRelation(reader) };
    case 'I': {
      const oid = reader.uint32();
      expectNew(reader.byte());
      return { kind: 'insert', oid, row: readTuple(reader) };
    }
    case 'U':
      return readUpdate(reader);
    case 'D': {
      const oid = reader.uint32();
      return { kind: 'delete', oid, old: readOld(reader, reader.byte()) };
    }
    case 'T': {
      const count = reader.int32();
      reader.byte();
      return { kind: 'truncate', oids: Array.from({ length: count }, () => reader.uint32()) };
    }
    case 'O':
    case 'Y':
    case 'M':
      return { kind: 'other' };
    default:
      throw new PgoutputError(`expected a message of pgoutput version 1, found ${JSON.stringify(kind)}`);
  }
};
