import { formatTableName, type TableName } from './catalog/catalog.ts';
import { hiveType } from './catalog/glue-columns.ts';
import type { LiveFile, PartitionValue } from './data-file.ts';
import { type PartitionColumn, partitionColumns } from './manifest-schemas.ts';
import { currentSchema, defaultSpec } from './metadata.ts';
import { partitionText } from './partition-text.ts';
import { findTable, type Lake, setProperties, type Table, tableFiles } from './tables.ts';

/** The property of a table whose manifests are kept for engines without Iceberg. */
const hiveProperty = 'lastro.hive-manifests';

export const hasHiveManifests = ({ metadata }: Table): boolean =>
  metadata.properties[hiveProperty] === 'true';

/** Beside the warehouse: in the table's own folder they would be orphans. */
const hivePrefix = ({ name }: Table): string => `hive/${name.namespace}/${name.name}/`;

export const hiveLocation = (lake: Lake, table: Table): string => `${lake.store.url}/${hivePrefix(table)}`;

/**
 * Shows a table to engines without Iceberg as a Hive table of symbolic links: one text file a partition,
 * `<column>=<value>/manifest`, that names its live data files (Hive's SymlinkTextInputFormat; Athena, Trino, Spark and
 * Hive read it). The folders of the data files cannot be shown so themselves: files that a compaction replaced stay in
 * them until their snapshots expire, and such an engine would count their rows twice.
 *
 * A partition's change is one put, so its readers see the files of one snapshot. Running twice changes nothing.
 * @throws Error where other engines deleted rows by delete files, or the table has files of an older partitioning:
 * compacting it mends both
 */
export const writeHiveManifests = async (
  lake: Lake,
  table: Table,
): Promise<{ partitions: number; written: number; removed: number }> => {
  const columns = partitionColumns(defaultSpec(table.metadata), table.metadata.schemas);
  const manifests = Map.groupBy(await tableFiles(lake, table), (file) => {
    checkFile(table, file);
    return `${hivePrefix(table)}${partitionPath(columns, file.partition)}manifest`;
  });
  let written = 0;
  for (const [key, files] of manifests) {
    const text = `${files
      .map(({ path }) => path)
      .sort()
      .join('\n')}\n`;
    if ((await textOf(lake, key)) === text) continue;
    await lake.store.put(key, text);
    written++;
  }
  let removed = 0;
  for await (const { key } of lake.store.list(hivePrefix(table))) {
    if (manifests.has(key)) continue;
    await lake.store.remove(key);
    removed++;
  }
  return { partitions: manifests.size, written, removed };
};

const checkFile = ({ name, metadata }: Table, file: LiveFile): void => {
  if (file.content === 'data' && file.specId === metadata['default-spec-id']) return;
  const what =
    file.content === 'data' ? 'files of an older partitioning' : 'rows that were deleted by delete files';
  throw new Error(
    `${formatTableName(name)} has ${what}, which an engine without Iceberg would read wrongly; compact it first`,
  );
};

const partitionPath = (columns: readonly PartitionColumn[], values: readonly PartitionValue[]): string =>
  columns
    .map((column, at) => {
      const value = values[at] ?? null;
      const text =
        value === null ? '__HIVE_DEFAULT_PARTITION__' : encodeURIComponent(partitionText(column, value));
      return `${column.name}=${text}/`;
    })
    .join('');

const textOf = async (lake: Lake, key: string): Promise<string | undefined> => {
  try {
    return (await (await lake.store.get(key)).bytes()).toString();
  } catch (error) {
    if (error instanceof Error && error.name === 'ObjectNotFoundError') return undefined;
    throw error;
  }
};

/** Keeps a table's manifests from now on, or no more: what others read then goes. */
export const setHiveManifests = async (lake: Lake, table: Table, on: boolean): Promise<Table> => {
  const name = formatTableName(table.name);
  const changed =
    hasHiveManifests(table) === on
      ? table
      : await setProperties(lake, name, { [hiveProperty]: on ? 'true' : null });
  if (on) await writeHiveManifests(lake, changed);
  else for await (const { key } of lake.store.list(hivePrefix(table))) await lake.store.remove(key);
  return changed;
};

/** Keeps the manifests of the tables that have some as the catalog shows them. */
export type HivePublisher = {
  /**
   * Brings those of the tables up to date. What this publisher wrote is not looked at again before its table changes,
   * or an hour has passed: one that was killed between its last put and its look back may have left an older manifest.
   * @throws Error naming what could not be written, after the rest
   */
  readonly publish: (tables: readonly TableName[]) => Promise<void>;
};

const lookAgainAfterMs = 3_600_000;

export const openHivePublisher = (lake: Lake): HivePublisher => {
  const shown = new Map<string, { location: string; at: number }>();
  const publish = async (table: TableName): Promise<void> => {
    const name = formatTableName(table);
    const known = shown.get(name);
    const now = lake.clock().getTime();
    const current = await lake.catalog.load(table);
    if (known && known.location === current?.metadataLocation && now - known.at < lookAgainAfterMs) return;
    shown.delete(name);
    const location = await refreshHiveManifests(lake, name);
    if (location !== undefined) shown.set(name, { location, at: now });
  };
  return {
    publish: async (tables) => {
      const failures: string[] = [];
      for (const table of tables) {
        await publish(table).catch((error: unknown) =>
          failures.push(error instanceof Error ? error.message : String(error)),
        );
      }
      if (failures.length > 0) throw new Error(failures.join('; '));
    },
  };
};

const mostAttempts = 10;

/**
 * Writes the manifests of a table that has some, and looks back whether the table is still the same: of several that do
 * this at once, the one that puts last sees the newest commit, and none leaves an older one. Answers the metadata file
 * that was seen last; undefined where there is no table.
 */
const refreshHiveManifests = async (lake: Lake, name: string): Promise<string | undefined> => {
  for (let attempt = 1; attempt <= mostAttempts; attempt++) {
    const table = await findTable(lake, name);
    if (!table) return undefined;
    if (!hasHiveManifests(table)) return table.metadataLocation;
    await writeHiveManifests(lake, table);
    if ((await lake.catalog.load(table.name))?.metadataLocation === table.metadataLocation) {
      return table.metadataLocation;
    }
  }
  throw new Error(`${name} changes all the time; its Hive manifests are of a moment ago`);
};

/** The statements that make the Hive table, for Athena, Hive and Spark. */
export const hiveStatements = (lake: Lake, table: Table): string => {
  const columns = partitionColumns(defaultSpec(table.metadata), table.metadata.schemas);
  const isPartition = new Set(columns.map(({ name }) => name));
  const quote = (name: string): string => `\`${name}\``;
  const fields = currentSchema(table.metadata)
    .fields.filter(({ name }) => !isPartition.has(name))
    .map(({ name, type }) => `  ${quote(name)} ${hiveType(type)}`);
  const partitions = columns.map(
    ({ name, type, transform }) =>
      `${quote(name)} ${['month', 'year', 'hour'].includes(transform) ? 'string' : hiveType(type)}`,
  );
  const name = `${quote(table.name.namespace)}.${quote(`${table.name.name}_hive`)}`;
  return `CREATE EXTERNAL TABLE ${name} (
${fields.join(',\n')}
)${partitions.length > 0 ? `\nPARTITIONED BY (${partitions.join(', ')})` : ''}
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION '${hiveLocation(lake, table)}';
MSCK REPAIR TABLE ${name};
`;
};
