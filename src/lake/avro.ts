import { randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync, zstdDecompressSync } from 'node:zlib';
import avsc from 'avsc';

/** A record as avsc gives it: longs are bigint. */
export type AvroRecord = Record<string, unknown>;

/** The JSON of an Avro schema, with the attributes (`field-id`, `element-id`…) that avsc itself would drop. */
export type AvroSchema = string | AvroSchema[] | { type: AvroSchema; [attribute: string]: unknown };

const longType = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint | number) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(BigInt(value));
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint' || Number.isSafeInteger(value),
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

const primitives = new Set('null boolean int long float double bytes string'.split(' '));

/** avsc makes a long of its own (of 53 bits) for `{ type: 'long', logicalType: … }`: only the bare name finds ours. */
const bare = (schema: AvroSchema): AvroSchema => {
  if (Array.isArray(schema)) return schema.map(bare);
  if (typeof schema === 'string') return schema;
  if (typeof schema.type === 'string' && primitives.has(schema.type)) return schema.type;
  const inner = (key: string): object => (key in schema ? { [key]: bare(schema[key] as AvroSchema) } : {});
  const fields = Array.isArray(schema['fields']) ? (schema['fields'] as { type: AvroSchema }[]) : undefined;
  return {
    ...schema,
    ...(typeof schema.type === 'string' ? {} : { type: bare(schema.type) }),
    ...inner('items'),
    ...inner('values'),
    ...(fields ? { fields: fields.map((field) => ({ ...field, type: bare(field.type) })) } : {}),
  };
};

const typeOf = (schema: AvroSchema): avsc.Type =>
  avsc.Type.forSchema(bare(schema) as avsc.Schema, { registry: { long: longType }, wrapUnions: false });

const magic = Buffer.from('Obj\x01', 'latin1');
const headerType = avsc.Type.forSchema({ type: 'map', values: 'bytes' });
const blockRecords = 5_000;

/**
 * Writes an Avro object container file. The header is framed here, because the `field-id` attributes that Iceberg
 * readers need would not survive avsc's own encoder.
 */
export const writeAvro = (
  schema: AvroSchema,
  records: readonly AvroRecord[],
  metadata: Readonly<Record<string, string>>,
): Buffer => {
  const type = typeOf(schema);
  const header: Record<string, Buffer> = {
    'avro.schema': Buffer.from(JSON.stringify(schema)),
    'avro.codec': Buffer.from('deflate'),
  };
  for (const [key, value] of Object.entries(metadata)) header[key] = Buffer.from(value);
  const sync = randomBytes(16);
  const parts = [magic, headerType.toBuffer(header), sync];
  for (let at = 0; at < records.length; at += blockRecords) {
    const block = records.slice(at, at + blockRecords);
    const data = deflateRawSync(Buffer.concat(block.map((record) => type.toBuffer(record))));
    parts.push(varint(block.length), varint(data.length), data, sync);
  }
  return Buffer.concat(parts);
};

export type AvroFile = { schema: AvroSchema; metadata: Record<string, string>; records: AvroRecord[] };

/**
 * Reads an Avro object container file as any engine writes it.
 * @throws Error for other content, a cut or damaged file, or a codec other than null, deflate and zstandard
 */
export const readAvro = (bytes: Buffer, name: string): AvroFile => {
  const fail = (why: string): Error => new Error(`${name} is not a whole Avro file: ${why}`);
  if (!bytes.subarray(0, 4).equals(magic)) throw fail('it does not begin with Obj\\x01');
  const header = headerType.decode(bytes, 4) as { value?: Record<string, Buffer>; offset: number };
  if (!header.value || header.offset < 0) throw fail('its header is cut off');
  const metadata = Object.fromEntries(
    Object.entries(header.value).map(([key, value]) => [key, value.toString()]),
  );
  const schema = JSON.parse(metadata['avro.schema'] ?? 'null') as AvroSchema;
  const decompress = decompressor(metadata['avro.codec'] ?? 'null', name);
  const type = typeOf(schema);
  const sync = bytes.subarray(header.offset, header.offset + 16);
  if (sync.length < 16) throw fail('its header is cut off');
  const records: AvroRecord[] = [];
  let at = header.offset + 16;
  while (at < bytes.length) {
    const [count, afterCount] = readVarint(bytes, at);
    const [size, start] = readVarint(bytes, afterCount);
    const end = start + size;
    if (!bytes.subarray(end, end + 16).equals(sync))
      throw fail(`the block at byte ${at} does not end in the sync marker`);
    const block = decompress(bytes.subarray(start, end));
    let offset = 0;
    for (let i = 0; i < count; i++) {
      const decoded = type.decode(block, offset) as { value?: AvroRecord; offset: number };
      if (!decoded.value || decoded.offset < 0)
        throw fail(`record ${i} of the block at byte ${at} is cut off`);
      records.push(decoded.value);
      offset = decoded.offset;
    }
    if (offset !== block.length) throw fail(`the block at byte ${at} has more than its ${count} records`);
    at = end + 16;
  }
  return { schema, metadata, records };
};

const decompressor = (codec: string, name: string): ((block: Buffer) => Buffer) => {
  switch (codec) {
    case 'null':
      return (block) => block;
    case 'deflate':
      return (block) => inflateRawSync(block);
    case 'zstandard':
      return (block) => zstdDecompressSync(block);
    default:
      throw new Error(
        `${name} is compressed with ${codec}; this reads null, deflate and zstandard. Set write.avro.compression-codec to gzip (deflate) on the table and rewrite its manifests`,
      );
  }
};

/** Avro's zigzag variable-length long, for counts and sizes. */
const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt(value) << 1n;
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
};

const readVarint = (bytes: Buffer, from: number): [value: number, next: number] => {
  let value = 0n;
  for (let at = from, shift = 0n; ; at++, shift += 7n) {
    const byte = bytes[at];
    if (byte === undefined || shift > 63n) throw new Error(`a length at byte ${from} is cut off or too long`);
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return [Number((value >> 1n) ^ -(value & 1n)), at + 1];
  }
};
