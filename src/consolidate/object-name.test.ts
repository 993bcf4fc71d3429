import { describe, expect, it } from 'vitest';
import { parseObjectName } from './object-name.ts';

describe('object names', () => {
  it('reads Confluent names', () => {
    expect(parseObjectName('pay.in-v2+12+0000000042.json')).toEqual({
      format: 'json',
      kafka: { topic: 'pay.in-v2', partition: 12, offset: 42 },
    });
    expect(parseObjectName('t+0+0000000000.json.gz')?.kafka).toEqual({ topic: 't', partition: 0, offset: 0 });
    expect(parseObjectName('t+0+12345678901.ndjson')).toMatchObject({ format: 'lines' });
  });

  it('reads Aiven names, with or without an extension', () => {
    const kafka = { topic: 'orders-br', partition: 3, offset: 1200 };
    expect(parseObjectName('orders-br-3-1200')).toEqual({ format: 'json', kafka });
    expect(parseObjectName('orders-br-3-00000000000000001200.gz')).toEqual({ format: 'json', kafka });
    expect(parseObjectName('orders-br-3-1200.jsonl.gz')).toEqual({ format: 'lines', kafka });
  });

  it('takes dates for dates', () => {
    for (const name of ['report-2026-11.json', '2026-11-22.json', 'events-2026-11-22.json']) {
      expect(parseObjectName(name)).toEqual({ format: 'json', kafka: undefined });
    }
  });

  it('does not guess where a number is out of range', () => {
    expect(parseObjectName('t+0+99999999999999999999.json')?.kafka).toBeUndefined();
    expect(parseObjectName('t+4294967296+0000000001.json')?.kafka).toBeUndefined();
  });

  it('leaves other files alone', () => {
    for (const name of ['_SUCCESS', '.part.json', '_package.json', 'README.md', 'data.parquet', 'LICENSE']) {
      expect(parseObjectName(name)).toBeUndefined();
    }
  });
});
