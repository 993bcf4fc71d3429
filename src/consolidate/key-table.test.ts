import { describe, expect, it } from 'vitest';
import { createKeyTable } from './key-table.ts';

const add = (table: ReturnType<typeof createKeyTable>, owner: number, keys: string[]): boolean[] => {
  const text = Buffer.from(keys.map((key) => `"${key}"`).join(''));
  let at = 0;
  return keys.map((key) => {
    const start = at + 1;
    const end = start + Buffer.byteLength(key);
    at = end + 1;
    return table.add(text, start, end, owner);
  });
};

describe('key table', () => {
  it('grows, forgets at clear, and goes over to strings for escapes without losing a key', () => {
    const table = createKeyTable(16);
    for (let round = 0; round < 50; round++) {
      const keys = Array.from({ length: 40 + round }, (_, index) => `k${index}`);
      expect(add(table, 1, [...keys, 'k7', '\\u006b9', 'new', 'new']).slice(keys.length)).toEqual([
        false,
        false,
        true,
        false,
      ]);
      table.clear();
    }
  });
});
