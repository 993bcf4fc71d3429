import type { DocumentFormat, KafkaPlace } from './object-name.ts';
import { parseObjectName } from './object-name.ts';

/** One folder of the source and the objects in it, as parallel lists: seventy thousand of them cost little so. */
export type ListedFolder = {
  /** Relative to the source, `/` at the end; empty for the source itself. */
  readonly path: string;
  readonly names: string[];
  readonly sizes: number[];
  /** Changes whenever the object is written again: an ETag, or size and time of the last write. */
  readonly versions: string[];
  /** Milliseconds since 1970. */
  readonly modified: number[];
};

/** What an earlier run took under a name. Several contents, where the object was written again in between. */
export type TakenObject = { readonly versions: readonly string[]; readonly hashes: readonly string[] };

/** By folder path, then by name. */
export type TakenObjects = ReadonlyMap<string, ReadonlyMap<string, TakenObject>>;

export type PlannedFile = {
  readonly folder: string;
  readonly name: string;
  readonly size: number;
  readonly version: string;
  readonly format: DocumentFormat;
  readonly kafka: KafkaPlace | undefined;
  /** Hashes of the contents taken under this name before; empty for a new name. */
  readonly knownHashes: readonly string[];
};

/** Files of one group, to be read, written and committed together. */
export type Batch = {
  /** Values of the table's partition columns that all of its files share. */
  readonly group: { readonly topic: string | null; readonly kafkaPartition: number | null };
  readonly files: readonly PlannedFile[];
  readonly bytes: number;
  readonly expectedBytesOut: number;
};

export type Plan = {
  readonly batches: readonly Batch[];
  readonly files: number;
  readonly bytes: number;
  /** Taken by an earlier run and not written since. */
  readonly skipped: number;
  /** Objects that are no input by their name. */
  readonly ignored: number;
  /** Left for a later run: too little yet, and young. */
  readonly deferred: number;
  /** Topics and partitions that the names speak of, those of skipped files too. */
  readonly places: readonly { readonly topic: string; readonly kafkaPartition: number }[];
};

export type PlanOptions = {
  /** Which columns the table is partitioned by: files that differ there never share a batch. */
  readonly split: { readonly topic: boolean; readonly kafkaPartition: boolean };
  /** A batch ends before it would hold more input than this. */
  readonly batchBytes: number;
  readonly batchFiles: number;
  /** Small leftovers wait for company: groups below `bytes` whose newest object is younger than `forMs`. */
  readonly wait?: { readonly bytes: number; readonly forMs: number; readonly now: Date };
};

/** Nested JSON shrinks to about this part of itself in Parquet with zstd; measured on webhooks and on order events. */
const outputPerInput = 1 / 5.5;

type Group = Batch['group'] & { files: PlannedFile[]; modified: number };

/**
 * What a run will do, from what is there and what was taken. Pure. Files go in order of topic, partition, offset
 * and name, so that the same input gives the same batches.
 */
export const planConsolidation = (
  listing: readonly ListedFolder[],
  taken: TakenObjects,
  options: PlanOptions,
): Plan => {
  const groups = new Map<string, Group>();
  const places = new Map<string, { topic: string; kafkaPartition: number }>();
  let skipped = 0;
  let ignored = 0;
  for (const folder of listing) {
    const known = taken.get(folder.path);
    folder.names.forEach((name, index) => {
      const parsed = parseObjectName(name);
      if (!parsed) {
        ignored++;
        return;
      }
      if (parsed.kafka) {
        const { topic, partition } = parsed.kafka;
        const place = `${topic}/${partition}`;
        if (!places.has(place)) places.set(place, { topic, kafkaPartition: partition });
      }
      const version = folder.versions[index] as string;
      const before = known?.get(name);
      if (before?.versions.includes(version)) {
        skipped++;
        return;
      }
      const group = groupFor(groups, parsed.kafka, options.split);
      group.modified = Math.max(group.modified, folder.modified[index] as number);
      group.files.push({
        folder: folder.path,
        name,
        size: folder.sizes[index] as number,
        version,
        ...parsed,
        knownHashes: before?.hashes ?? [],
      });
    });
  }
  return { ...cutBatches([...groups.values()], options), skipped, ignored, places: [...places.values()] };
};

const groupFor = (
  groups: Map<string, Group>,
  kafka: KafkaPlace | undefined,
  split: PlanOptions['split'],
): Group => {
  const topic = split.topic ? (kafka?.topic ?? null) : null;
  const kafkaPartition = split.kafkaPartition ? (kafka?.partition ?? null) : null;
  const name = `${topic ?? ''}/${kafkaPartition ?? ''}`;
  const found = groups.get(name);
  if (found) return found;
  const made = { topic, kafkaPartition, files: [], modified: 0 };
  groups.set(name, made);
  return made;
};

const compareFiles = (a: PlannedFile, b: PlannedFile): number => {
  const byTopic = compareText(a.kafka?.topic ?? '', b.kafka?.topic ?? '');
  if (byTopic !== 0) return byTopic;
  const byPartition = (a.kafka?.partition ?? -1) - (b.kafka?.partition ?? -1);
  if (byPartition !== 0) return byPartition;
  const byOffset = (a.kafka?.offset ?? -1) - (b.kafka?.offset ?? -1);
  if (byOffset !== 0) return byOffset;
  return compareText(a.folder, b.folder) || compareText(a.name, b.name);
};

/** By code unit: a hundred times faster than a collator, and the same on every machine. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const cutBatches = (
  groups: Group[],
  { batchBytes, batchFiles, wait }: PlanOptions,
): Pick<Plan, 'batches' | 'files' | 'bytes' | 'deferred'> => {
  const batches: Batch[] = [];
  let deferred = 0;
  const inOrder = groups.toSorted(
    (a, b) =>
      compareText(a.topic ?? '', b.topic ?? '') || (a.kafkaPartition ?? -1) - (b.kafkaPartition ?? -1),
  );
  for (const { files, modified, topic, kafkaPartition } of inOrder) {
    const total = files.reduce((sum, { size }) => sum + size, 0);
    if (wait && total < wait.bytes && wait.now.getTime() - modified < wait.forMs) {
      deferred += files.length;
      continue;
    }
    files.sort(compareFiles);
    let from = 0;
    let bytes = 0;
    const close = (to: number): void => {
      const expectedBytesOut = Math.round(bytes * outputPerInput);
      batches.push({
        group: { topic, kafkaPartition },
        files: files.slice(from, to),
        bytes,
        expectedBytesOut,
      });
      from = to;
      bytes = 0;
    };
    files.forEach(({ size }, index) => {
      const full = bytes + size > batchBytes || index - from >= batchFiles;
      if (full && index > from) close(index);
      bytes += size;
    });
    if (files.length > from) close(files.length);
  }
  const sum = (of: (batch: Batch) => number): number =>
    batches.reduce((total, batch) => total + of(batch), 0);
  return { batches, files: sum(({ files }) => files.length), bytes: sum(({ bytes }) => bytes), deferred };
};
