import { type ListedFolder, versionAt } from './listed-folder.ts';
import type { KafkaPlace } from './object-name.ts';
import { parseObjectName } from './object-name.ts';
import { compareTexts, textAt } from './text-list.ts';

/** What an earlier run took under a name. Several contents, where the object was written again in between. */
export type TakenObject = { readonly versions: readonly string[]; readonly hashes: readonly string[] };

/** Of one folder, by name. */
export type TakenObjects = ReadonlyMap<string, TakenObject>;

export type PlannedFile = {
  readonly folder: string;
  readonly name: string;
  readonly size: number;
  readonly version: string;
  readonly kafka: KafkaPlace | undefined;
  /** Hashes of the contents taken under this name before; empty for a new name. */
  readonly knownHashes: readonly string[];
};

/**
 * Files of a batch, in order. Each is made when it is asked for: hundreds of thousands of objects would cost more
 * memory than reading the files does.
 */
export type PlannedFiles = {
  readonly length: number;
  /** From 0, below `length`. */
  readonly at: (index: number) => PlannedFile;
};

/** The files with their indexes. */
export function* enumerate(files: PlannedFiles): Generator<[number, PlannedFile]> {
  for (let index = 0; index < files.length; index++) yield [index, files.at(index)];
}

/** Files of one group, to be read, written and committed together. */
export type Batch = {
  /** Values of the table's partition columns that all of its files share. */
  readonly group: { readonly topic: string | null; readonly kafkaPartition: number | null };
  readonly files: PlannedFiles;
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

export type Planner = {
  /** Looks at one folder of the source, and at what was taken of it before. Keeps what is to be taken. */
  readonly add: (folder: ListedFolder, taken?: TakenObjects) => void;
  readonly plan: () => Plan;
};

/**
 * Makes a plan of what is there and what was taken, folder after folder. Pure. Files go in order of topic, partition,
 * offset and name, so that the same input gives the same batches.
 */
export const openPlanner = (options: PlanOptions): Planner => {
  const places = new Map<string, { topic: string; kafkaPartition: number }>();
  const kept = openKeptFiles();
  let skipped = 0;
  let ignored = 0;
  return {
    add: (folder, taken) => {
      for (let index = 0; index < folder.sizes.length; index++) {
        const name = textAt(folder.names, index);
        const parsed = parseObjectName(name);
        if (!parsed) {
          ignored++;
          continue;
        }
        const { kafka } = parsed;
        const place = kafka && `${kafka.topic}/${kafka.partition}`;
        if (kafka && place !== undefined && !places.has(place)) {
          places.set(place, { topic: kafka.topic, kafkaPartition: kafka.partition });
        }
        const before = taken?.get(name);
        if (before?.versions.includes(versionAt(folder, index))) skipped++;
        else kept.add(folder, index, kafka, before?.hashes);
      }
    },
    plan: () => ({ ...cutBatches(kept, options), skipped, ignored, places: [...places.values()] }),
  };
};

/**
 * The files that are to be taken: where each stands in the listing, and what its name says, as numbers in blocks of
 * their own. An object for each of hundreds of thousands would take ten times the memory.
 */
const openKeptFiles = () => {
  const folders: ListedFolder[] = [];
  const topics: string[] = [];
  const topicIndexes = new Map<string, number>();
  const knownHashes = new Map<number, readonly string[]>();
  let count = 0;
  /** Index of the folder, and of the file in it. */
  let folderOf = new Uint32Array(1024);
  let placeOf = new Uint32Array(1024);
  /** Index of the topic, partition and offset; -1 where the name has none. */
  let topicOf = new Int32Array(1024);
  let partitionOf = new Int32Array(1024);
  let offsetOf = new Float64Array(1024);

  const grow = (): void => {
    const size = count * 2;
    const copy = <T extends { set: (from: T) => void }>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    folderOf = copy(new Uint32Array(size), folderOf);
    placeOf = copy(new Uint32Array(size), placeOf);
    topicOf = copy(new Int32Array(size), topicOf);
    partitionOf = copy(new Int32Array(size), partitionOf);
    offsetOf = copy(new Float64Array(size), offsetOf);
  };

  const topicIndex = (topic: string): number => {
    const known = topicIndexes.get(topic);
    if (known !== undefined) return known;
    topicIndexes.set(topic, topics.length);
    return topics.push(topic) - 1;
  };

  const folderAt = (index: number): ListedFolder => folders[folderOf[index] as number] as ListedFolder;
  const topicAt = (index: number): string | undefined => topics[topicOf[index] as number];

  const kafkaAt = (index: number): KafkaPlace | undefined => {
    const topic = topicAt(index);
    if (topic === undefined) return undefined;
    return { topic, partition: partitionOf[index] as number, offset: offsetOf[index] as number };
  };

  const compareNames = (a: number, b: number): number =>
    compareTexts(folderAt(a).names, placeOf[a] as number, folderAt(b).names, placeOf[b] as number);

  return {
    add: (folder: ListedFolder, at: number, kafka?: KafkaPlace, hashes?: readonly string[]): void => {
      if (folders.at(-1) !== folder) folders.push(folder);
      if (count === folderOf.length) grow();
      if (hashes) knownHashes.set(count, hashes);
      folderOf[count] = folders.length - 1;
      placeOf[count] = at;
      topicOf[count] = kafka ? topicIndex(kafka.topic) : -1;
      partitionOf[count] = kafka?.partition ?? -1;
      offsetOf[count] = kafka?.offset ?? -1;
      count++;
    },
    sizeAt: (index: number): number => folderAt(index).sizes[placeOf[index] as number] as number,
    modifiedAt: (index: number): number => folderAt(index).modified[placeOf[index] as number] as number,
    groupAt: (index: number, split: PlanOptions['split']): Batch['group'] => {
      const topic = topicAt(index);
      return {
        topic: split.topic ? (topic ?? null) : null,
        kafkaPartition: split.kafkaPartition && topic !== undefined ? (partitionOf[index] as number) : null,
      };
    },
    fileAt: (index: number): PlannedFile => {
      const folder = folderAt(index);
      const place = placeOf[index] as number;
      return {
        folder: folder.path,
        name: textAt(folder.names, place),
        size: folder.sizes[place] as number,
        version: versionAt(folder, place),
        kafka: kafkaAt(index),
        knownHashes: knownHashes.get(index) ?? [],
      };
    },
    /** Every file's index: group by group, then by topic, partition, offset and name. */
    inOrder: ({ topic: byTopic, kafkaPartition: byPartition }: PlanOptions['split']): Uint32Array => {
      const compareTopics = (a: number, b: number): number =>
        topicOf[a] === topicOf[b] ? 0 : compareText(topicAt(a) ?? '', topicAt(b) ?? '');
      const comparePartitions = (a: number, b: number): number =>
        (partitionOf[a] as number) - (partitionOf[b] as number);
      return new Uint32Array(count)
        .map((_, index) => index)
        .sort(
          (a, b) =>
            (byPartition && !byTopic ? comparePartitions(a, b) : 0) ||
            compareTopics(a, b) ||
            comparePartitions(a, b) ||
            (offsetOf[a] as number) - (offsetOf[b] as number) ||
            compareText(folderAt(a).path, folderAt(b).path) ||
            compareNames(a, b),
        );
    },
  };
};

type KeptFiles = ReturnType<typeof openKeptFiles>;

/** By code unit: a hundred times faster than a collator, and the same on every machine. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const viewFiles = (kept: KeptFiles, indexes: Uint32Array): PlannedFiles => ({
  length: indexes.length,
  at: (index) => kept.fileAt(indexes[index] as number),
});

const cutBatches = (
  kept: KeptFiles,
  options: PlanOptions,
): Pick<Plan, 'batches' | 'files' | 'bytes' | 'deferred'> => {
  const batches: Batch[] = [];
  let deferred = 0;
  for (const { group, indexes } of cutGroups(kept, options)) {
    if (isToWait(kept, indexes, options)) deferred += indexes.length;
    else batches.push(...cutGroup(kept, group, indexes, options));
  }
  const sum = (of: (batch: Batch) => number): number =>
    batches.reduce((total, batch) => total + of(batch), 0);
  return { batches, files: sum(({ files }) => files.length), bytes: sum(({ bytes }) => bytes), deferred };
};

type Group = { readonly group: Batch['group']; readonly indexes: Uint32Array };

const cutGroups = (kept: KeptFiles, { split }: PlanOptions): Group[] => {
  const order = kept.inOrder(split);
  const groups: Group[] = [];
  let from = 0;
  while (from < order.length) {
    const group = kept.groupAt(order[from] as number, split);
    let to = from + 1;
    while (to < order.length && sameGroup(group, kept.groupAt(order[to] as number, split))) to++;
    groups.push({ group, indexes: order.subarray(from, to) });
    from = to;
  }
  return groups;
};

const sameGroup = (a: Batch['group'], b: Batch['group']): boolean =>
  a.topic === b.topic && a.kafkaPartition === b.kafkaPartition;

const isToWait = (kept: KeptFiles, indexes: Uint32Array, { wait }: PlanOptions): boolean => {
  if (!wait) return false;
  let bytes = 0;
  let newest = 0;
  for (const index of indexes) {
    bytes += kept.sizeAt(index);
    newest = Math.max(newest, kept.modifiedAt(index));
  }
  return bytes < wait.bytes && wait.now.getTime() - newest < wait.forMs;
};

const cutGroup = (
  kept: KeptFiles,
  group: Batch['group'],
  indexes: Uint32Array,
  { batchBytes, batchFiles }: PlanOptions,
): Batch[] => {
  const batches: Batch[] = [];
  let from = 0;
  let bytes = 0;
  const close = (to: number): void => {
    const expectedBytesOut = Math.round(bytes * outputPerInput);
    batches.push({ group, files: viewFiles(kept, indexes.subarray(from, to)), bytes, expectedBytesOut });
    from = to;
    bytes = 0;
  };
  indexes.forEach((file, at) => {
    const size = kept.sizeAt(file);
    const full = bytes + size > batchBytes || at - from >= batchFiles;
    if (full && at > from) close(at);
    bytes += size;
  });
  if (indexes.length > from) close(indexes.length);
  return batches;
};
