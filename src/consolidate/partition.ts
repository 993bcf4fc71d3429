import type { PartitionValue } from '../lake/data-file.ts';
import { currentSchema } from '../lake/metadata.ts';
import type { Table } from '../lake/tables.ts';
import type { Batch } from './plan.ts';

const partitionFields = ({ metadata }: Table): { column: string; transform: string }[] => {
  const spec = metadata['partition-specs'].find((each) => each['spec-id'] === metadata['default-spec-id']);
  const { fields } = currentSchema(metadata);
  return (spec?.fields ?? []).map((field) => ({
    column: fields.find(({ id }) => id === field['source-id'])?.name ?? '',
    transform: field.transform,
  }));
};

/** The columns that a table is partitioned by, whatever the transform. */
export const partitionColumns = (table: Table): string[] =>
  partitionFields(table).map(({ column }) => column);

/** The partition that all rows of a batch share, in the order of the table's spec. */
export const partitionOf = (
  table: Table,
  { group, ingestedAt }: { group: Batch['group']; ingestedAt: Date },
): PartitionValue[] => {
  return partitionFields(table).map(({ column, transform }) => {
    if (column === 'topic' && transform === 'identity') return group.topic;
    if (column === 'kafka_partition' && transform === 'identity') return group.kafkaPartition;
    if (transform === 'void') return null;
    const hours = Math.floor(ingestedAt.getTime() / 3_600_000);
    const years = ingestedAt.getUTCFullYear() - 1970;
    const times: Record<string, number> = {
      hour: hours,
      day: Math.floor(hours / 24),
      month: years * 12 + ingestedAt.getUTCMonth(),
      year: years,
    };
    const value = times[transform];
    if ((column === 'ingested_at' || column === 'quarantined_at') && value !== undefined) return value;
    throw new Error(
      `${table.name.namespace}.${table.name.name} is partitioned by ${transform}(${column}); consolidation writes only to ` +
        'hour, day, month or year of ingested_at, topic and kafka_partition',
    );
  });
};
