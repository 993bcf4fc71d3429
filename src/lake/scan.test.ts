import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openMemoryStore } from '../platform/store/memory.ts';
import type { DataFile } from './data-file.ts';
import { allRows, type DuckSession, openDuckDb } from './duckdb-session.ts';
import { writeLocation } from './lake-files.ts';
import { encodeManifest, encodeManifestList, type ManifestFile } from './manifests.ts';
import type { TableMetadata } from './metadata.ts';
import { planFiles, scanLocations, scanSql } from './scan.ts';
import { newTableMetadata } from './table-definition.ts';
import type { Table } from './tables.ts';

// Tables as other engines leave them: row deletes, formats and schemas that this code never writes itself.

const { store } = openMemoryStore();
let session: DuckSession;
beforeAll(async () => {
  session = await openDuckDb();
});
afterAll(() => session.close());

const definition = {
  columns: [
    { name: 'id', type: 'long' },
    { name: 'area', type: 'string' },
  ],
} as const;

/** Writes a local Parquet file; the file stands for the object, its path for the location. */
const parquet = async (select: string, ids: string | null): Promise<string> => {
  const path = `${session.folder}/${randomUUID()}.parquet`;
  await session.connection.run(
    `COPY (${select}) TO '${path}' (FORMAT parquet${ids ? `, FIELD_IDS {${ids}}` : ''})`,
  );
  return path;
};

const file = (path: string, more: Partial<DataFile> = {}): DataFile => ({
  content: 'data',
  path,
  format: 'PARQUET',
  specId: 0,
  partition: [],
  records: 1,
  bytes: 1,
  ...more,
});

type Entry = { file: DataFile; sequence: number };

/** A table whose one snapshot has the entries, each in a manifest of its own, and each sequence number explicit. */
const tableOf = async (
  entries: readonly Entry[],
  change: (metadata: TableMetadata) => TableMetadata = (same) => same,
): Promise<Table> => {
  const metadata = change(newTableMetadata(definition, `memory:/t/${randomUUID()}`, new Date()));
  const manifests: ManifestFile[] = [];
  for (const { file: each, sequence } of entries) {
    const content = each.content === 'data' ? 'data' : 'deletes';
    const path = `${metadata.location}/${randomUUID()}-m.avro`;
    const entry = {
      status: 'added' as const,
      snapshotId: '1',
      sequenceNumber: sequence,
      fileSequenceNumber: sequence,
      file: each,
    };
    const bytes = encodeManifest(metadata, each.specId, content, [entry]);
    await writeLocation(store, path, bytes);
    manifests.push({
      path,
      length: bytes.length,
      specId: each.specId,
      content,
      sequenceNumber: sequence,
      minSequenceNumber: sequence,
      addedSnapshotId: '1',
      addedFiles: 1,
      existingFiles: 0,
      deletedFiles: 0,
      addedRows: 1,
      existingRows: 0,
      deletedRows: 0,
    });
  }
  const list = `${metadata.location}/snap.avro`;
  await writeLocation(
    store,
    list,
    encodeManifestList(manifests, { snapshotId: '1', parentId: null, sequenceNumber: 9 }),
  );
  const snapshot = {
    'snapshot-id': '1',
    'sequence-number': 9,
    'timestamp-ms': 1,
    'manifest-list': list,
    'schema-id': 0,
    summary: { operation: 'append' as const },
  };
  return {
    name: { namespace: 'a', name: 'b' },
    metadataLocation: `${metadata.location}/x.metadata.json`,
    metadata: { ...metadata, 'current-snapshot-id': '1', snapshots: [snapshot] },
  };
};

const idsOf = async (table: Table): Promise<(number | null)[]> => {
  const plan = await planFiles({ store }, table);
  expect(scanLocations(plan).length).toBeGreaterThan(0);
  const rows = await allRows(
    session.connection,
    `SELECT id FROM ${scanSql(plan, (path) => path)} ORDER BY id`,
  );
  return rows.map((row) => (row['id'] === null ? null : Number(row['id'])));
};

const data = (from: number, to: number): Promise<string> =>
  parquet(
    `SELECT range::BIGINT AS id, 'A' || (range % 2) AS area FROM range(${from}, ${to}) ORDER BY range`,
    'id: 1, area: 2',
  );

describe('row deletes of other engines', () => {
  it('by position apply to the file that they name, up to their sequence number', async () => {
    const [one, two] = [await data(0, 5), await data(10, 15)];
    const deletes = await parquet(
      `SELECT * FROM (VALUES ('${one}', 0::BIGINT), ('${one}', 3), ('${two}', 4)) v(file_path, pos)`,
      'file_path: 2147483546, pos: 2147483545',
    );
    const table = await tableOf([
      { file: file(one), sequence: 1 },
      { file: file(two), sequence: 3 },
      { file: file(deletes, { content: 'position-deletes' }), sequence: 2 },
    ]);
    expect(await idsOf(table)).toEqual([1, 2, 4, 10, 11, 12, 13, 14]);
  });

  it('by equality apply to older files only, and null equals null', async () => {
    const [old, same] = [await data(0, 5), await data(1, 6)];
    const withNull = await parquet(`SELECT NULL::BIGINT AS id, 'x' AS area`, 'id: 1, area: 2');
    const deletes = await parquet(`SELECT unnest([1, 3, NULL])::BIGINT AS id`, 'id: 1');
    const table = await tableOf([
      { file: file(old), sequence: 1 },
      { file: file(same), sequence: 2 },
      { file: file(withNull), sequence: 1 },
      { file: file(deletes, { content: 'equality-deletes', equalityIds: [1] }), sequence: 2 },
    ]);
    expect(await idsOf(table)).toEqual([0, 1, 2, 2, 3, 4, 4, 5]);
  });

  it('by equality of two columns, one of which the table has dropped since', async () => {
    const path = await data(0, 6);
    const deletes = await parquet(
      `SELECT * FROM (VALUES (2::BIGINT, 'A0'), (3, 'A0')) v(id, area)`,
      'id: 1, area: 2',
    );
    const table = await tableOf(
      [
        { file: file(path), sequence: 1 },
        { file: file(deletes, { content: 'equality-deletes', equalityIds: [1, 2] }), sequence: 2 },
      ],
      (metadata) => ({
        ...metadata,
        'current-schema-id': 1,
        schemas: [
          ...metadata.schemas,
          { type: 'struct', 'schema-id': 1, fields: metadata.schemas[0]?.fields.slice(0, 1) ?? [] },
        ],
      }),
    );
    expect(await idsOf(table)).toEqual([0, 1, 3, 4, 5]);
  });
});

describe('what could be read wrongly is refused', () => {
  it('files of other formats and deletion vectors', async () => {
    const orc = await tableOf([{ file: file('/x.orc', { format: 'ORC' }), sequence: 1 }]);
    await expect(planFiles({ store }, orc)).rejects.toThrow('in ORC format');
    const vector = await tableOf([
      { file: file('/x.puffin', { content: 'position-deletes', format: 'PUFFIN' }), sequence: 1 },
    ]);
    await expect(planFiles({ store }, vector)).rejects.toThrow('deletion vector');
  });

  it('files without field ids, which would come out as nulls', async () => {
    const path = await parquet("SELECT 1::BIGINT AS id, 'A' AS area", null);
    const entries = [{ file: file(path), sequence: 1 }];
    const mapped = await tableOf(entries, (metadata) => ({
      ...metadata,
      properties: { 'schema.name-mapping.default': '[]' },
    }));
    await expect(idsOf(mapped)).rejects.toThrow('has no field ids');
    const good = await tableOf([{ file: file(await data(0, 2)), sequence: 1 }], (metadata) => ({
      ...metadata,
      properties: { 'schema.name-mapping.default': '[]' },
    }));
    expect(await idsOf(good)).toEqual([0, 1]);
  });

  it('struct members that were renamed, or dropped and made again', async () => {
    const member = (id: number, name: string) => ({ id, name, required: false, type: 'long' as const });
    const withStruct = (schemaId: number, members: ReturnType<typeof member>[], name = 's') => ({
      type: 'struct' as const,
      'schema-id': schemaId,
      fields: [{ id: 1, name, required: false, type: { type: 'struct' as const, fields: members } }],
    });
    const table = (after: ReturnType<typeof withStruct>): Promise<Table> =>
      tableOf([], (metadata) => ({
        ...metadata,
        'current-schema-id': 1,
        schemas: [withStruct(0, [member(2, 'x')]), after],
      }));
    await expect(planFiles({ store }, await table(withStruct(1, [member(2, 'y')])))).rejects.toThrow(
      's.x was renamed',
    );
    await expect(planFiles({ store }, await table(withStruct(1, [member(3, 'x')])))).rejects.toThrow(
      's.x was renamed, or dropped',
    );
    await expect(
      planFiles({ store }, await table(withStruct(1, [member(2, 'x'), member(3, 'y')], 'z'))),
    ).resolves.toBeDefined();
  });
});
