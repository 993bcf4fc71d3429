import { describe, expect, it } from 'vitest';
import type { AttributeValue } from './item.ts';
import { itemBytes } from './item-size.ts';

describe('the size of an item', () => {
  it.each<[string, AttributeValue, number]>([
    ['text in UTF-8', { S: 'ação' }, 6],
    ['a number of three digits', { N: '123' }, 3],
    ['a number with zeros around it', { N: '-0012000' }, 3],
    ['38 digits', { N: '12345678901234567890123456789012345678' }, 20],
    ['bytes', { B: new Uint8Array(5) }, 5],
    ['a boolean', { BOOL: true }, 1],
    ['null', { NULL: true }, 1],
    ['an empty list', { L: [] }, 3],
    ['a map of two', { M: { a: { S: 'x' }, b: { NULL: true } } }, 9],
    ['a list of one', { L: [{ S: 'xy' }] }, 6],
    ['a set', { SS: ['ab', 'c'] }, 3],
  ])('with %s is that of name and value', (_, value, bytes) => {
    expect(itemBytes({ nome: value })).toBe(4 + bytes);
  });
});
