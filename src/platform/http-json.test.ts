import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deepestBody, readJsonBody } from './http-json.ts';
import { Problem } from './problem.ts';

const read = (text: string): unknown => readJsonBody(Buffer.from(text));

const refusal = (text: string): Problem => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  return expect.unreachable(`expected a refusal of ${text}`);
};

describe('a JSON body', () => {
  it('is read as JSON.parse reads it, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const text = JSON.stringify(value);
        if (/__proto__/.test(text)) return;
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('may begin with a byte order mark, and may lie anywhere in its buffer', () => {
    expect(read('\uFEFF{"a":1}')).toEqual({ a: 1 });
    expect(readJsonBody(Buffer.from('xx{"é":1}xx').subarray(2, 10))).toEqual({ é: 1 });
  });

  it('with a member twice is refused, with a pointer to each, however it is written', () => {
    const { type, violations } = refusal(
      '{"amountCents":1,"a":[{"b":{"x/y":1,"x\\u002fy":2}}],"amountCents":2}',
    );
    expect(type).toBe('validation-failed');
    expect(violations?.map(({ pointer }) => pointer)).toEqual(['/a/0/b/x~1y', '/amountCents']);
  });

  it('with a member twice is refused wherever that stands', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ maxLength: 5 }), fc.nat(3)), { maxLength: 6 }),
        fc.string({ maxLength: 5 }).filter((key) => key !== '__proto__'),
        (path, key) => {
          const name = JSON.stringify(key);
          const inner = `{${name}:1,${JSON.stringify(`other ${key}`)}:2,${name}:1}`;
          const text = path.reduceRight<string>(
            (value, step) =>
              typeof step === 'number'
                ? `[${'0,'.repeat(step)}${value}]`
                : `{${JSON.stringify(`k${step}`)}:${value}}`,
            inner,
          );
          expect(refusal(text).violations).toHaveLength(1);
        },
      ),
    );
  });

  it('with a number that a double would change is refused', () => {
    expect(refusal('{"amountCents":12500000.00000000001}').violations).toEqual([
      { pointer: '/amountCents', message: expect.stringContaining('would be read as 12500000') },
    ]);
    expect(read('{"amountCents":12500000.0}')).toEqual({ amountCents: 12_500_000 });
  });

  it.each(['{"__proto__":{"admin":true}}', '{"a":[{"\\u005f_proto__":1}]}'])(
    'with the name of a prototype is refused: %s',
    (text) => expect(refusal(text).violations?.[0]?.pointer).toMatch(/\/__proto__$/),
  );

  it.each([
    ['bytes that are no UTF-8', Buffer.from('{"a":"\xff"}', 'latin1')],
    ['half a surrogate pair in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['UTF-16', Buffer.from('{"a":1}', 'utf16le')],
    ['nothing', Buffer.alloc(0)],
    ['nested too deep', Buffer.from('['.repeat(deepestBody + 2) + ']'.repeat(deepestBody + 2))],
    ['a million brackets', Buffer.alloc(1_000_000, '[')],
    ['a million objects', Buffer.from('{"a":'.repeat(200_000))],
  ])('is refused where it is %s', (_, bytes) => {
    expect(() => readJsonBody(bytes)).toThrow(expect.objectContaining({ type: 'malformed-body' }));
  });

  it(`may be nested ${deepestBody} levels deep in its outermost object`, () => {
    expect(read('['.repeat(deepestBody + 1) + ']'.repeat(deepestBody + 1))).toHaveLength(1);
  });

  it('is never answered with much more than it says, however its members repeat', () => {
    const long = 'n'.repeat(400_000);
    const { violations } = refusal(`{"${long}":{${'"a":1,'.repeat(90_000)}"a":1}}`);
    expect(violations).toHaveLength(100);
    expect(JSON.stringify(violations).length).toBeLessThan(30_000);
  });
});
