import type { StorageDescriptor } from '@aws-sdk/client-glue';
import type { Store } from '../../platform/store/store.ts';
import { readMetadata } from '../lake-files.ts';
import { currentSchema } from '../metadata.ts';
import { fixedOf, type Type } from '../schema.ts';

/**
 * The columns and the location of a table for its Glue entry (`describe` of `glueCatalog`): what Athena's console,
 * Lake Formation and crawlers show. Iceberg readers take both from the metadata file.
 */
export const glueColumns =
  (store: Store) =>
  async (metadataLocation: string): Promise<StorageDescriptor> => {
    const metadata = await readMetadata(store, metadataLocation);
    return {
      Location: metadata.location,
      Columns: currentSchema(metadata).fields.map((field) => ({
        Name: field.name,
        Type: hiveType(field.type),
        ...(field.doc === undefined ? {} : { Comment: field.doc.slice(0, 255) }),
        Parameters: {
          'iceberg.field.id': String(field.id),
          'iceberg.field.optional': String(!field.required),
          'iceberg.field.current': 'true',
        },
      })),
    };
  };

const hiveNames: Record<string, string> = {
  long: 'bigint',
  time: 'string',
  timestamptz: 'timestamp',
  uuid: 'string',
};

/** The Hive type that Java's `IcebergToGlueConverter` shows for an Iceberg type. */
export const hiveType = (type: Type): string => {
  if (typeof type === 'string') {
    return fixedOf(type) === null ? (hiveNames[type] ?? type.replaceAll(' ', '')) : 'binary';
  }
  if (type.type === 'list') return `array<${hiveType(type.element)}>`;
  if (type.type === 'map') return `map<${hiveType(type.key)},${hiveType(type.value)}>`;
  return `struct<${type.fields.map((field) => `${field.name}:${hiveType(field.type)}`).join(',')}>`;
};
