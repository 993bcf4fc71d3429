import { describe, expect, it } from 'vitest';
import { readJsonText } from './json-text.ts';

const violations = (text: string): [string, string][] =>
  readJsonText(text).violations.map(({ pointer, message }) => [pointer, message]);

describe('JSON text', () => {
  it.each([
    '{}',
    '[]',
    ' \t\r\n[ 1 , -0 , 0.5 , 1e3 , 1E-2 , -1.5e+2 ] ',
    '{"a":{"b":[null,true,false]},"":"x"}',
    '"\\u20ac\\n\\"\\\\\\/\\ud83d\\ude00\u{1f600}"',
    '"a\\u0000b"',
    '{"__proto__":{"x":1},"constructor":2}',
  ])('reads %s as JSON.parse does', (text) => {
    const read = readJsonText(text);
    expect(read).toEqual({ value: JSON.parse(text), violations: [], readable: true });
    expect(JSON.stringify(read.value)).toBe(JSON.stringify(JSON.parse(text)));
  });

  it.each([
    '',
    ' ',
    '{',
    '{"a"}',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '[1,]',
    '[1 2]',
    '01',
    '+1',
    '.5',
    '1.',
    '1e',
    '-',
    'NaN',
    'tru',
    'nul',
    '"a',
    '"a\nb"',
    '"\\x"',
    '"\\u12g4"',
    '"\\',
    '1 2',
    '{}}',
    '\ufeff{}',
    '/* */ 1',
    '[',
    '["a"',
    '\u00a01',
  ])('refuses %j, as JSON.parse does', (text) => {
    expect(() => JSON.parse(text)).toThrow();
    expect(readJsonText(text)).toMatchObject({ readable: false, violations: [{ pointer: '' }] });
  });

  it('says what it expected and where', () => {
    expect(violations('{"a":1,}')).toEqual([
      ['', 'expected a key in double quotes (JSON), found "}" at character 8'],
    ]);
    expect(violations('[')[0]?.[1]).toContain('found the end of the text');
  });

  it('names every duplicate key by its pointer', () => {
    expect(
      violations('{"a":1,"b":{"c/d":1,"c/d":2},"a":[{"x":1,"\\u0078":2}],"__proto__":1,"__proto__":2}'),
    ).toEqual([
      ['/b/c~1d', 'expected the key once, found it again'],
      ['/a/0/x', 'expected the key once, found it again'],
      ['/a', 'expected the key once, found it again'],
      ['/__proto__', 'expected the key once, found it again'],
    ]);
  });

  it('names numbers whose fraction a double would lose, and no others', () => {
    expect(
      violations('[1.00000000000000000001,9007199254740991.2,1e-400]').map(([pointer]) => pointer),
    ).toEqual(['/0', '/1', '/2']);
    expect(violations('[1.0,1.50e1,1e3,0.0,-0.000e5,100e-2,0.1,1e-7,12.5]')).toEqual([]);
  });

  it('gives up on nesting before the stack does', () => {
    expect(readJsonText(`${'['.repeat(500)}${']'.repeat(500)}`).readable).toBe(true);
    expect(readJsonText('['.repeat(1_000_000)).readable).toBe(false);
    expect(readJsonText('{"a":'.repeat(1_000_000)).readable).toBe(false);
  });
});
