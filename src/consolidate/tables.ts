import type { PartitionBy, TableDefinition } from '../lake/tables.ts';
import { UserError } from '../platform/cli.ts';

/** Columns of an events table, in order. The document is JSON text, verbatim: types are given in the domains. */
export const eventColumns: TableDefinition['columns'] = [
  { name: 'source', type: 'string', required: true, doc: 'Directory or bucket that the object lay in (URL)' },
  { name: 'object_key', type: 'string', required: true, doc: 'Key of the object within the source' },
  { name: 'position', type: 'int', required: true, doc: 'Which document of the object, from 0' },
  { name: 'topic', type: 'string', doc: 'Kafka topic, from the name of the object' },
  { name: 'kafka_partition', type: 'int', doc: 'Kafka partition, from the name of the object' },
  { name: 'kafka_offset', type: 'long', doc: 'Kafka offset: that of the name, plus the position' },
  {
    name: 'ingested_at',
    type: 'timestamptz',
    required: true,
    doc: 'Start of the run that took the document',
  },
  { name: 'run_id', type: 'string', required: true, doc: 'Run that took the document' },
  { name: 'document', type: 'string', required: true, doc: 'The whole document, byte by byte as it was' },
];

export const quarantineColumns: TableDefinition['columns'] = [
  { name: 'id', type: 'string', required: true, doc: 'The same for the same bytes at the same place' },
  { name: 'source', type: 'string', required: true },
  { name: 'object_key', type: 'string', required: true },
  { name: 'position', type: 'int', required: true, doc: 'Which piece of the object, from 0' },
  { name: 'topic', type: 'string' },
  { name: 'kafka_partition', type: 'int' },
  { name: 'kafka_offset', type: 'long' },
  { name: 'reason', type: 'string', required: true },
  {
    name: 'fault_at',
    type: 'long',
    required: true,
    doc: 'Byte of the unpacked object at which the fault shows',
  },
  { name: 'raw', type: 'binary', required: true, doc: 'The bytes as they were' },
  { name: 'raw_bytes', type: 'long', required: true, doc: 'How many there were' },
  { name: 'raw_cut', type: 'boolean', required: true, doc: 'True where only the first 8 MiB are kept' },
  { name: 'content_hash', type: 'string', required: true },
  { name: 'quarantined_at', type: 'timestamptz', required: true },
  { name: 'run_id', type: 'string', required: true },
];

/** `kconnect.events` has its quarantine beside it. */
export const quarantineTable = (table: string): string => `${table}_quarantine`;

const kafkaColumns = ['topic', 'kafka_partition'];

/**
 * Reads `--partition day(ingested_at),topic`. Allowed are hour, day, month or year of `ingested_at`, and `topic`
 * and `kafka_partition` as they are: what every row of a batch can share, so that a batch is one file.
 * @throws UserError
 */
export const parsePartitionBy = (text: string): PartitionBy[] =>
  text.split(',').map((part) => {
    const column = part.trim();
    if (kafkaColumns.includes(column)) return { column, transform: 'identity' };
    const time = /^(hour|day|month|year)\(ingested_at\)$/.exec(column)?.[1];
    if (time === 'hour' || time === 'day' || time === 'month' || time === 'year') {
      return { column: 'ingested_at', transform: time };
    }
    throw new UserError(
      `--partition: expected hour(ingested_at), day(ingested_at), month(ingested_at), year(ingested_at), topic or kafka_partition, separated by commas, found ${JSON.stringify(column)}`,
    );
  });

export const defaultPartitionBy: PartitionBy[] = [{ column: 'ingested_at', transform: 'day' }];
