import { describe, expect, it } from 'vitest';
import { registerBucket } from './bucket-function.ts';
import { allRows, openDuckDb } from './duckdb-session.ts';
import { duckType } from './duckdb-types.ts';
import { murmur3 } from './murmur3.ts';
import type { PrimitiveType, Type } from './schema.ts';
import { applyTransform, hashInput, parseTransform, transformSql } from './transforms.ts';
import { literalValue, parseValue } from './values.ts';

const sampleOf = (type: Type, text: string) =>
  type === 'binary' ? Buffer.from(text, 'hex') : literalValue(type, text);

describe('partition transforms', () => {
  // The values of the Iceberg table spec, appendix B, "32-bit hash requirements".
  it.each<[Type, string, number]>([
    ['int', '34', 2017239379],
    ['long', '34', 2017239379],
    ['decimal(9,2)', '14.20', -500754589],
    ['date', '2017-11-16', -653330422],
    ['time', '22:31:08', -662762989],
    ['timestamp', '2017-11-16T22:31:08', -2047944441],
    ['timestamptz', '2017-11-16T14:31:08-08:00', -2047944441],
    ['timestamp', '2017-11-16T22:31:08.000001', -1207196810],
    ['timestamptz', '2017-11-16T14:31:08.000001-08:00', -1207196810],
    ['string', 'iceberg', 1210000089],
    ['uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7', 1488055340],
    ['binary', '00010203', -188683207],
  ])('hashes %s %s as the spec says', (type, text, hash) => {
    expect(murmur3(hashInput(type, sampleOf(type, text)))).toBe(hash);
  });

  it.each<[string, Type, string, unknown]>([
    ['year', 'date', '1969-12-31', -1],
    ['year', 'timestamp', '2017-11-16T22:31:08', 47],
    ['month', 'date', '1969-12-31', -1],
    ['month', 'timestamptz', '2017-12-01T00:30:00+01:00', 574],
    ['day', 'timestamp', '1969-12-31T23:59:59.999999', -1],
    ['day', 'timestamp', '2017-12-01T10:12:55.038194', 17501],
    ['hour', 'timestamp', '1969-12-31T23:59:59.999999', -1],
    ['hour', 'timestamp', '2017-12-01T10:12:55.038194', 420034],
    ['truncate[10]', 'int', '1', 0],
    ['truncate[10]', 'int', '-1', -10],
    ['truncate[10]', 'long', '-9223372036854775800', -9223372036854775800n],
    ['truncate[50]', 'decimal(9,2)', '10.65', 1050n],
    ['truncate[10]', 'decimal(9,2)', '-0.05', -10n],
    ['truncate[3]', 'string', 'iceberg', 'ice'],
    ['truncate[2]', 'string', '😀😀😀', '😀😀'],
  ])('%s of %s %s is %s', (transform, type, text, expected) => {
    expect(applyTransform(transform, type, sampleOf(type, text))).toEqual(expected);
  });

  it('refuses transforms that do not take the type', () => {
    expect(() => parseTransform('day', 'string')).toThrow('cannot partition');
    expect(() => parseTransform('bucket[0]', 'int')).toThrow('expected identity');
    expect(() => parseTransform('bucket[4]', 'double')).toThrow('cannot partition');
    expect(() => parseTransform('zorder', 'int')).toThrow('expected identity');
  });

  it('gives the same in SQL as here', async () => {
    const session = await openDuckDb();
    registerBucket(session.connection);
    const samples: Record<string, string[]> = {
      int: ['0', '1', '-1', '2147483647', '-2147483640', '1234567'],
      long: ['0', '-1', '9007199254740993', '-9223372036854775800'],
      'decimal(9,2)': ['0.00', '-0.05', '10.65', '-1234567.89', '14.20'],
      'decimal(38,10)': ['0.0000000001', '-12345678901234567890.1234567891'],
      date: ['1969-12-31', '1970-01-01', '2000-02-29', '0001-01-01', '9999-12-31'],
      timestamp: ['1969-12-31 23:59:59.999999', '2017-12-01 10:12:55.038194', '1900-03-01 00:00:00'],
      timestamptz: ['1969-12-31 23:59:59.999999+00', '2026-11-22 23:30:00-03'],
      string: ['', 'iceberg', 'ação', '😀😀😀', "it's"],
      uuid: ['f79c3e09-677c-4bbd-a479-3f349cb785e7'],
      time: ['22:31:08', '00:00:00.000001'],
    };
    const transforms = ['identity', 'year', 'month', 'day', 'hour', 'bucket[16]', 'truncate[7]'];
    let compared = 0;
    for (const [type, texts] of Object.entries(samples) as [PrimitiveType, string[]][]) {
      for (const transform of transforms) {
        try {
          parseTransform(transform, type);
        } catch {
          continue;
        }
        for (const text of texts) {
          const sql = transformSql(transform, type, 'x');
          const quoted = text.replaceAll("'", "''");
          const [row] = await allRows(
            session.connection,
            `SELECT CAST(${sql} AS VARCHAR) AS t FROM (SELECT CAST('${quoted}' AS ${duckType(type)}) AS x)`,
          );
          const value = parseValue(type, text);
          const expected = value === null ? null : applyTransform(transform, type, value);
          const isDay = transform === 'day' || (transform === 'identity' && type === 'date');
          const result: Type = isDay
            ? 'date'
            : transform === 'identity' || transform.startsWith('truncate')
              ? type
              : 'int';
          expect(parseValue(result, String(row?.['t'])), `${transform} of ${type} ${text}`).toEqual(expected);
          compared++;
        }
      }
    }
    const [nothing] = await allRows(
      session.connection,
      `SELECT ${transformSql('bucket[4]', 'string', 'x')} AS t FROM (SELECT NULL::VARCHAR AS x)`,
    );
    expect(nothing?.['t']).toBeNull();
    expect(compared).toBeGreaterThan(80);
    await session.close();
  });
});
