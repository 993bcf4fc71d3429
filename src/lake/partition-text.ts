import type { PartitionValue } from './data-file.ts';
import type { PartitionColumn } from './manifest-schemas.ts';

/** A partition's value as it stands in the name of its folder. */
export const partitionText = (column: PartitionColumn, value: PartitionValue): string => {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  const day = (days: number): string => new Date(days * 86_400_000).toISOString().slice(0, 10);
  if (column.type === 'date' && typeof value === 'number') return day(value);
  if (column.transform === 'month') return day(monthStart(Number(value))).slice(0, 7);
  if (column.transform === 'year') return String(1970 + Number(value));
  if (column.transform === 'hour')
    return new Date(Number(value) * 3_600_000).toISOString().slice(0, 13).replace('T', '-');
  return String(value);
};

const monthStart = (months: number): number => Date.UTC(1970, months, 1) / 86_400_000;
