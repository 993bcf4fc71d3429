/** Values of a partition, in the order of its spec's fields. Dates, times and timestamps are days and microseconds. */
export type PartitionValue = null | boolean | number | bigint | string | Uint8Array;

/**
 * One file of a table as its manifest describes it. Maps are by field id; bounds are in the single-value
 * binary form of the Iceberg spec's appendix D.
 */
export type DataFile = {
  readonly content: 'data' | 'position-deletes' | 'equality-deletes';
  /** Absolute location: `file:///…`, `s3://…`. */
  readonly path: string;
  /** `PARQUET`; others are seen only in tables that other engines wrote. */
  readonly format: string;
  readonly specId: number;
  readonly partition: readonly PartitionValue[];
  readonly records: number;
  readonly bytes: number;
  readonly columnSizes?: ReadonlyMap<number, number>;
  readonly valueCounts?: ReadonlyMap<number, number>;
  readonly nullCounts?: ReadonlyMap<number, number>;
  readonly nanCounts?: ReadonlyMap<number, number>;
  readonly lowerBounds?: ReadonlyMap<number, Uint8Array>;
  readonly upperBounds?: ReadonlyMap<number, Uint8Array>;
  /** Offsets of the row groups: where readers may split. */
  readonly splitOffsets?: readonly number[];
  readonly equalityIds?: readonly number[];
  readonly sortOrderId?: number;
  /** Of a position delete file that names one data file. */
  readonly referencedDataFile?: string;
};

/** A file that is live in a snapshot, with what its manifest entry says of it. */
export type LiveFile = DataFile & {
  /** Data sequence number: which deletes apply. */
  readonly sequenceNumber: number;
  readonly fileSequenceNumber: number;
  /** Snapshot that added the file (decimal text: other engines use 63 bits). */
  readonly snapshotId: string;
};
