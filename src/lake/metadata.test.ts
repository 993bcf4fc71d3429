import { describe, expect, it } from 'vitest';
import { formatMetadata, parseMetadata, snapshotAt } from './metadata.ts';
import { newTableMetadata } from './table-definition.ts';

const base = newTableMetadata(
  { columns: [{ name: 'id', type: 'long' }] },
  's3://b/t',
  new Date('2026-11-22T00:00:00Z'),
);

/** As Java writes it: ids of 63 bits, statistics, properties of its own, and a summary that has a key like an id's. */
const foreign = `{"format-version":2,"table-uuid":"u","location":"s3://b/t","last-sequence-number":2,"last-updated-ms":1763769600000,
"last-column-id":1,"current-schema-id":0,"schemas":[{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"id","required":false,"type":"long"}]}],
"default-spec-id":0,"partition-specs":[{"spec-id":0,"fields":[]}],"last-partition-id":999,"default-sort-order-id":0,"sort-orders":[{"order-id":0,"fields":[]}],
"properties":{"owner":"spark"},"current-snapshot-id":8744736658442914487,"refs":{"main":{"snapshot-id":8744736658442914487,"type":"branch"}},
"snapshots":[{"sequence-number":1,"snapshot-id":3051729675574597004,"timestamp-ms":1763769500000,"summary":{"operation":"append","snapshot-id":"12"},"manifest-list":"s3://b/t/1","schema-id":0},
{"sequence-number":2,"snapshot-id":8744736658442914487,"parent-snapshot-id":3051729675574597004,"timestamp-ms":1763769600000,"summary":{"operation":"append"},"manifest-list":"s3://b/t/2","schema-id":0}],
"statistics":[{"snapshot-id":8744736658442914487,"statistics-path":"s3://b/t/s.puffin","file-size-in-bytes":413}],
"snapshot-log":[{"timestamp-ms":1763769500000,"snapshot-id":3051729675574597004},{"timestamp-ms":1763769600000,"snapshot-id":8744736658442914487}],
"metadata-log":[],"row-count-hint":92233720368547758079}`;

describe('metadata files', () => {
  it('keep 63-bit snapshot ids and everything that this code does not know', () => {
    const metadata = parseMetadata(foreign, 'x');
    expect(metadata['current-snapshot-id']).toBe('8744736658442914487');
    expect(metadata.snapshots.map((each) => each['parent-snapshot-id'])).toEqual([
      undefined,
      '3051729675574597004',
    ]);
    const written = formatMetadata(metadata);
    const order = (text: string): string[] =>
      text
        .replaceAll(/\s/g, '')
        .match(/"[^"]*":[^,{}[\]]+/g)
        ?.sort() ?? [];
    expect(order(written)).toEqual(order(foreign));
    expect(parseMetadata(written, 'x')).toEqual(metadata);
  });

  it('tell what was current at an instant', () => {
    const metadata = parseMetadata(foreign, 'x');
    expect(snapshotAt(metadata, new Date(1763769599999))['snapshot-id']).toBe('3051729675574597004');
    expect(snapshotAt(metadata, new Date(1763769600000))['snapshot-id']).toBe('8744736658442914487');
    expect(() => snapshotAt(metadata, new Date(0))).toThrow('had no snapshot');
  });

  it('of other versions, of no table and of unknown types are refused by name', () => {
    const text = formatMetadata(base);
    expect(parseMetadata(text, 'x')['table-uuid']).toBe(base['table-uuid']);
    expect(() => parseMetadata(text.replace('"format-version":2', '"format-version":1'), 's3://b/m')).toThrow(
      /s3:\/\/b\/m .*format-version: .*version 2/,
    );
    expect(() => parseMetadata('{}', 's3://b/m')).toThrow('is not the metadata of a table');
    expect(() => parseMetadata('{', 's3://b/m')).toThrow('is not the JSON of a table');
    expect(() => parseMetadata(text.replace('"type":"long"', '"type":"variant"'), 'x')).toThrow('variant');
  });
});
