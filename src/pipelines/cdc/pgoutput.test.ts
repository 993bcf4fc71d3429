import { describe, expect, it } from 'vitest';
import { formatLsn, parseLsn } from './lsn.ts';
import { recordValue } from './pg-value.ts';
import { decodeMessage, PgoutputError } from './pgoutput.ts';

const text = (value: string): Buffer => Buffer.concat([Buffer.from(value), Buffer.from([0])]);
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const int64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};
const value = (content: string): Buffer =>
  Buffer.concat([Buffer.from('t'), int32(Buffer.byteLength(content)), Buffer.from(content)]);
const message = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));

describe('pgoutput', () => {
  it('reads the messages of a transaction', () => {
    expect(decodeMessage(message('B', int64(0x16b3748n), int64(1_000_000n), int32(743)))).toEqual({
      kind: 'begin',
      finalLsn: 0x16b3748n,
      committedAt: new Date('2000-01-01T00:00:01Z'),
      xid: 743,
    });
    expect(
      decodeMessage(
        message(
          'R',
          int32(16_390),
          text('public'),
          text('pedidos'),
          'd',
          int16(2),
          '\x01',
          text('id'),
          int32(20),
          int32(0xffffffff),
          '\x00',
          text('nota'),
          int32(25),
          int32(0xffffffff),
        ),
      ),
    ).toEqual({
      kind: 'relation',
      relation: {
        oid: 16_390,
        schema: 'public',
        table: 'pedidos',
        identity: 'default',
        columns: [
          { name: 'id', typeOid: 20, isKey: true },
          { name: 'nota', typeOid: 25, isKey: false },
        ],
      },
    });
    expect(
      decodeMessage(message('I', int32(7), 'N', int16(3), value('9007199254740993'), 'n', value('ção'))),
    ).toEqual({
      kind: 'insert',
      oid: 7,
      row: ['9007199254740993', null, 'ção'],
    });
    expect(decodeMessage(message('U', int32(7), 'N', int16(2), value('1'), 'u'))).toEqual({
      kind: 'update',
      oid: 7,
      old: null,
      row: ['1', undefined],
    });
    expect(
      decodeMessage(message('U', int32(7), 'O', int16(1), value('1'), 'N', int16(1), value('2'))),
    ).toMatchObject({ old: { kind: 'full', tuple: ['1'] }, row: ['2'] });
    expect(decodeMessage(message('D', int32(7), 'K', int16(2), value('1'), 'n'))).toEqual({
      kind: 'delete',
      oid: 7,
      old: { kind: 'key', tuple: ['1', null] },
    });
    expect(decodeMessage(message('T', int32(2), '\x01', int32(7), int32(8)))).toEqual({
      kind: 'truncate',
      oids: [7, 8],
    });
    expect(decodeMessage(message('C', '\x00', int64(1n), int64(2n), int64(0n)))).toEqual({
      kind: 'commit',
      commitLsn: 1n,
      endLsn: 2n,
    });
  });

  it('refuses what is cut or unknown', () => {
    const whole = message('I', int32(7), 'N', int16(1), value('abc'));
    for (let length = 1; length < whole.length; length++) {
      expect(() => decodeMessage(whole.subarray(0, length))).toThrow(PgoutputError);
    }
    expect(() => decodeMessage(message('S', int32(1)))).toThrow('version 1, found "S"');
    expect(() => decodeMessage(message('I', int32(7), 'N', int16(1), 'b', int32(0)))).toThrow('n, u or t');
  });

  it('reads and writes log positions', () => {
    for (const lsn of ['0/0', '16/B374D848', 'FFFFFFFF/FFFFFFFF']) expect(formatLsn(parseLsn(lsn))).toBe(lsn);
    expect(parseLsn('1/0')).toBe(4_294_967_296n);
    expect(() => parseLsn('16-B374D848')).toThrow('such as 16/B374D848');
  });

  it('keeps values as PostgreSQL writes them, but for booleans and times', () => {
    expect(recordValue(16, 't')).toBe(true);
    expect(recordValue(1700, '12.50')).toBe('12.50');
    expect(recordValue(20, '9007199254740993')).toBe('9007199254740993');
    expect(recordValue(1184, '2024-01-02 13:00:00.123456+00')).toBe('2024-01-02T13:00:00.123456Z');
    expect(recordValue(1114, '2024-01-02 13:00:00')).toBe('2024-01-02T13:00:00');
    expect(recordValue(1184, 'infinity')).toBe('infinity');
    expect(recordValue(1114, '0044-03-15 00:00:00 BC')).toBe('0044-03-15 00:00:00 BC');
  });
});
