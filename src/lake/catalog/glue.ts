import {
  AlreadyExistsException,
  ConcurrentModificationException,
  CreateDatabaseCommand,
  CreateTableCommand,
  DeleteTableCommand,
  EntityNotFoundException,
  GetDatabasesCommand,
  GetTableCommand,
  GetTablesCommand,
  GlueClient,
  type Table as GlueTable,
  type StorageDescriptor,
  type TableInput,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import type { Tx } from '../../platform/postgres.ts';
import type { Catalog, CatalogEntry, Swap, TableName } from './catalog.ts';

export type GlueCatalogOptions = {
  readonly region: string;
  /** In place of AWS: a local stand-in. */
  readonly endpoint?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** The AWS account of the catalog, where it is not the caller's. */
  readonly catalogId?: string;
  /** The entries follow another catalog (`mirror.ts`): each says which location was published. */
  readonly mirror?: boolean;
  /**
   * Columns and location for the entry, so that Athena's console and Lake Formation show them; Iceberg readers
   * take both from the metadata file.
   */
  readonly describe?: (metadataLocation: string) => Promise<StorageDescriptor>;
};

/**
 * The AWS Glue Data Catalog, in the form of Java's `GlueCatalog`: an external table with the parameters
 * `table_type=ICEBERG`, `metadata_location` and `previous_metadata_location`. The commit is `UpdateTable` with the
 * `VersionId` that was read: Glue refuses it when another commit came between. It cannot join a Postgres
 * transaction, and says so.
 */
export const glueCatalog = (options: GlueCatalogOptions): Catalog & { close: () => void } => {
  const client = new GlueClient({
    region: options.region,
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
    ...(options.credentials ? { credentials: options.credentials } : {}),
  });
  const account = options.catalogId === undefined ? {} : { CatalogId: options.catalogId };
  const place: Place = { client, account, mirror: options.mirror ?? false, describe: options.describe };
  return {
    alone: true,
    list: (namespace) => listTables(place, namespace),
    load: async (table, tx) => {
      refuseTransaction(tx);
      const found = await getTable(place, table);
      return found ? entryOf(table, found) : null;
    },
    swap: async (table, swap, tx) => {
      refuseTransaction(tx);
      return swapTable(place, table, swap);
    },
    close: () => client.destroy(),
  };
};

type Place = {
  readonly client: GlueClient;
  readonly account: { CatalogId?: string };
  readonly mirror: boolean;
  readonly describe: GlueCatalogOptions['describe'];
};

const refuseTransaction = (tx: Tx | undefined): void => {
  if (tx)
    throw new Error(
      'a Glue catalog cannot join a Postgres transaction; commit without `tx`, under a commit id',
    );
};

const publishedParameter = 'lastro.published';

const isIceberg = (table: GlueTable): boolean => table.Parameters?.table_type?.toUpperCase() === 'ICEBERG';

async function* pages(place: Place, namespace: string): AsyncIterable<GlueTable> {
  let token: string | undefined;
  do {
    const page = await place.client.send(
      new GetTablesCommand({
        ...place.account,
        DatabaseName: namespace,
        ...(token ? { NextToken: token } : {}),
      }),
    );
    yield* page.TableList ?? [];
    token = page.NextToken;
  } while (token);
}

const listTables = async (place: Place, namespace: string | undefined): Promise<TableName[]> => {
  const found: TableName[] = [];
  for (const database of namespace === undefined ? await databases(place) : [namespace]) {
    try {
      for await (const table of pages(place, database)) {
        if (isIceberg(table) && table.Name) found.push({ namespace: database, name: table.Name });
      }
    } catch (error) {
      if (!(error instanceof EntityNotFoundException)) throw error;
    }
  }
  return found;
};

const databases = async ({ client, account }: Place): Promise<string[]> => {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new GetDatabasesCommand({ ...account, ...(token ? { NextToken: token } : {}) }),
    );
    names.push(...(page.DatabaseList ?? []).flatMap((database) => database.Name ?? []));
    token = page.NextToken;
  } while (token);
  return names;
};

const getTable = async ({ client, account }: Place, table: TableName): Promise<GlueTable | null> => {
  try {
    const answer = await client.send(
      new GetTableCommand({ ...account, DatabaseName: table.namespace, Name: table.name }),
    );
    return answer.Table ?? null;
  } catch (error) {
    if (error instanceof EntityNotFoundException) return null;
    throw error;
  }
};

const entryOf = (table: TableName, found: GlueTable): CatalogEntry => {
  const metadataLocation = found.Parameters?.metadata_location;
  if (!isIceberg(found) || metadataLocation === undefined) {
    throw new Error(
      `${table.namespace}.${table.name} in Glue is not an Iceberg table (table_type is ${found.Parameters?.table_type ?? 'absent'})`,
    );
  }
  const published = found.Parameters?.[publishedParameter];
  return {
    metadataLocation,
    ...(found.VersionId === undefined ? {} : { version: found.VersionId }),
    ...(published === undefined ? {} : { published }),
  };
};

const swapTable = async (
  place: Place,
  table: TableName,
  { from, to }: Swap,
): Promise<'done' | 'conflict'> => {
  if (from === null) return to === null ? 'done' : create(place, table, to);
  const found = await getTable(place, table);
  // Glue compares the version; the location is compared as well, for a catalog that lost its versions (a restore).
  if (!found || entryOf(table, found).metadataLocation !== from.metadataLocation) return 'conflict';
  if (from.version !== undefined && found.VersionId !== from.version) return 'conflict';
  const at = { ...place.account, DatabaseName: table.namespace };
  if (to === null) {
    await place.client.send(new DeleteTableCommand({ ...at, Name: table.name }));
    return 'done';
  }
  try {
    await place.client.send(
      new UpdateTableCommand({
        ...at,
        TableInput: await tableInput(place, table, found, to, from.metadataLocation),
        // Without it Glue keeps a copy of the entry for every commit, and stops at its limit of versions.
        SkipArchive: true,
        ...(found.VersionId === undefined ? {} : { VersionId: found.VersionId }),
      }),
    );
    return 'done';
  } catch (error) {
    if (error instanceof ConcurrentModificationException || error instanceof EntityNotFoundException)
      return 'conflict';
    throw error;
  }
};

const create = async (place: Place, table: TableName, to: string): Promise<'done' | 'conflict'> => {
  const { client, account } = place;
  try {
    await client.send(new CreateDatabaseCommand({ ...account, DatabaseInput: { Name: table.namespace } }));
  } catch (error) {
    if (!(error instanceof AlreadyExistsException)) throw error;
  }
  try {
    await client.send(
      new CreateTableCommand({
        ...account,
        DatabaseName: table.namespace,
        TableInput: await tableInput(place, table, undefined, to, undefined),
      }),
    );
    return 'done';
  } catch (error) {
    if (error instanceof AlreadyExistsException) return 'conflict';
    throw error;
  }
};

/** What others put on the entry (owner, description, Lake Formation's parameters) is kept. */
const tableInput = async (
  { describe, mirror }: Place,
  table: TableName,
  found: GlueTable | undefined,
  to: string,
  previous: string | undefined,
): Promise<TableInput> => {
  const descriptor = describe ? await describe(to) : found?.StorageDescriptor;
  return {
    Name: table.name,
    TableType: 'EXTERNAL_TABLE',
    Parameters: {
      ...found?.Parameters,
      table_type: 'ICEBERG',
      metadata_location: to,
      ...(mirror ? { [publishedParameter]: to } : {}),
      ...(previous === undefined ? {} : { previous_metadata_location: previous }),
    },
    ...(found?.Owner === undefined ? {} : { Owner: found.Owner }),
    ...(found?.Description === undefined ? {} : { Description: found.Description }),
    ...(descriptor === undefined ? {} : { StorageDescriptor: descriptor }),
  };
};
