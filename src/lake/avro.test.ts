import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AvroSchema, readAvro, writeAvro } from './avro.ts';

const schema: AvroSchema = {
  type: 'record',
  name: 'r',
  fields: [
    { name: 'id', type: 'long', 'field-id': 7 },
    {
      name: 'at',
      type: ['null', { type: 'long', logicalType: 'timestamp-micros' }],
      default: null,
      'field-id': 8,
    },
    { name: 'b', type: { type: 'array', items: 'bytes', 'element-id': 9 }, 'field-id': 10 },
  ],
};

describe('Avro files', () => {
  it('keep 64-bit longs, field ids and metadata', () => {
    const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    const record = fc.record({
      id: long,
      at: fc.option(long),
      b: fc.array(fc.uint8Array().map((each) => Buffer.from(each))),
    });
    fc.assert(
      fc.property(fc.array(record), (records) => {
        const file = readAvro(writeAvro(schema, records, { 'format-version': '2' }), 'x');
        expect(file.records.map((each) => ({ ...each }))).toEqual(records);
        expect(file.schema).toEqual(schema);
        expect(file.metadata).toMatchObject({ 'format-version': '2', 'avro.codec': 'deflate' });
      }),
      { numRuns: 50 },
    );
  });

  it('take many blocks', () => {
    const records = Array.from({ length: 12_001 }, (_, id) => ({ id: BigInt(id), at: null, b: [] }));
    expect(readAvro(writeAvro(schema, records, {}), 'x').records).toHaveLength(12_001);
  });

  it('that are cut, damaged or of another codec are refused, never read in part', () => {
    const whole = writeAvro(schema, [{ id: 1n, at: null, b: [Buffer.alloc(100)] }], {});
    expect(() => readAvro(Buffer.from('hello'), 'm.avro')).toThrow('m.avro is not a whole Avro file');
    const header = whole.indexOf(whole.subarray(-16)) + 16;
    for (let length = 0; length < whole.length; length++) {
      if (length === header) continue; // a header alone is a file of no records
      expect(() => readAvro(whole.subarray(0, length), 'm.avro'), String(length)).toThrow();
    }
    const at = whole.indexOf('deflate');
    const other = Buffer.concat([whole.subarray(0, at), Buffer.from('snappyx'), whole.subarray(at + 7)]);
    expect(() => readAvro(other, 'm.avro')).toThrow('compressed with snappyx');
  });
});
