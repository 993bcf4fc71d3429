/** Where Kafka Connect's S3 sink took a file's first document from, as the object's name says. */
export type KafkaPlace = {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the file's first document; the others follow one by one. */
  readonly offset: number;
};

/** `json`: one document, or one a line. `lines`: one a line. */
export type DocumentFormat = 'json' | 'lines';

export type ObjectName = {
  readonly format: DocumentFormat;
  readonly kafka: KafkaPlace | undefined;
};

/** `topics/<t>/partition=<p>/<t>+<p>+<start offset, ten digits>.json`: the last part says it all. */
const confluent = /^(?<topic>[\w.-]+)\+(?<partition>\d+)\+(?<offset>\d{10,})$/;

/** Aiven's connector: `<t>-<p>-<start offset>`, with or without an extension. */
const aiven = /^(?<topic>[\w.-]*[A-Za-z_][\w.-]*)-(?<partition>\d+)-(?<offset>\d+)$/;

/** `report-2026-11`, `events-2026-11-22`: a date, not a partition and an offset. */
const dated = /(?:^|[-_.])(?:19|20|21)\d{2}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?$/;

const extension = /\.(?<kind>json|jsonl|ndjson)(?:\.gz)?$/i;

const toPlace = (stem: string): KafkaPlace | undefined => {
  const found = (confluent.exec(stem) ?? (dated.test(stem) ? null : aiven.exec(stem)))?.groups;
  if (!found) return undefined;
  const place = {
    topic: found.topic ?? '',
    partition: Number(found.partition),
    offset: Number(found.offset),
  };
  // Kafka's own ranges: a partition is an int32, and an offset above 2^53 would lose digits here.
  const known = place.partition <= 0x7fffffff && Number.isSafeInteger(place.offset);
  return known ? place : undefined;
};

/**
 * Reads the last part of an object's key. Undefined: not for us. That is a name without one of the extensions
 * (`.json`, `.jsonl`, `.ndjson`, each also with `.gz`) that is not Aiven's either, and a name that begins with
 * `_` or `.`, which Hive's convention and half-written files use.
 */
export const parseObjectName = (name: string): ObjectName | undefined => {
  if (name.startsWith('_') || name.startsWith('.')) return undefined;
  const found = extension.exec(name);
  if (found) {
    const format = found.groups?.kind?.toLowerCase() === 'json' ? 'json' : 'lines';
    return { format, kafka: toPlace(name.slice(0, found.index)) };
  }
  const kafka = toPlace(name.endsWith('.gz') ? name.slice(0, -3) : name);
  return kafka ? { format: 'json', kafka } : undefined;
};
