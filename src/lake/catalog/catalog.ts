import type { Tx } from '../../platform/postgres.ts';

/** `kconnect.events` is namespace `kconnect`, table `events`; the namespace may itself have dots. */
export type TableName = { readonly namespace: string; readonly name: string };

/** Where a table's current metadata lies, and what a compare-and-set compares. */
export type CatalogEntry = {
  readonly metadataLocation: string;
  /** The catalog's own version of the entry (Glue: VersionId). Absent where the location itself is compared. */
  readonly version?: string;
  /** The location that a mirror published last (`mirror.ts`). Another one stands here: others committed since. */
  readonly published?: string;
};

export type Swap = {
  /** What must be there now; null: nothing (create). */
  readonly from: CatalogEntry | null;
  /** Location of the new metadata file; null: drop the entry. */
  readonly to: string | null;
};

/**
 * A catalog holds one pointer per table. `swap` is the commit point of every change in the lake: it either
 * moves the pointer from exactly `from` to `to`, or answers `conflict` and changes nothing. An error that it
 * throws means *unknown*: the change may have happened, and the caller must look (see `commit.ts`).
 *
 * `tx` makes `load` and `swap` part of the caller's Postgres transaction; a catalog that is not in Postgres refuses it.
 */
export type Catalog = {
  /** True: `tx` is refused, so that nothing else can be committed together with a table. */
  readonly alone?: true;
  readonly list: (namespace?: string) => Promise<TableName[]>;
  readonly load: (table: TableName, tx?: Tx) => Promise<CatalogEntry | null>;
  readonly swap: (table: TableName, swap: Swap, tx?: Tx) => Promise<'done' | 'conflict'>;
};

/**
 * Parses `namespace.name`.
 * @throws Error for a name without a namespace, or with anything but letters, digits, `_`, `-` between the dots.
 */
export const parseTableName = (text: string): TableName => {
  if (!/^[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)+$/u.test(text) || text.length > 255) {
    throw new Error(
      `expected a table as namespace.name (letters, digits, _ and -), found ${JSON.stringify(text)}`,
    );
  }
  const dot = text.lastIndexOf('.');
  return { namespace: text.slice(0, dot), name: text.slice(dot + 1) };
};

export const formatTableName = ({ namespace, name }: TableName): string => `${namespace}.${name}`;
