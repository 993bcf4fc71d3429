import { describe, expect, it } from 'vitest';
import type { Batch, SqlValue } from './engines/engine.ts';
import { type Written, writeCsv, writeJson, writeTable } from './sql-output.ts';

const columns = [
  { name: 'n', type: 'bigint' },
  { name: 'nome', type: 'varchar' },
];
async function* batches(...pages: SqlValue[][][]): AsyncGenerator<Batch> {
  for (const rows of pages) yield { columns, rows, truncated: false };
}
const written = async (
  writer: (batches: AsyncIterable<Batch>, sink: (text: string) => Promise<void>) => Promise<Written>,
  ...pages: SqlValue[][][]
): Promise<string> => {
  let text = '';
  await writer(batches(...pages), async (part) => {
    text += part;
  });
  return text;
};

describe('JSON', () => {
  it('is an array of objects over all batches, also of none', async () => {
    const text = await written(
      writeJson,
      [[1, 'a']],
      [],
      [
        ['9007199254740993', null],
        [3, 'ç"'],
      ],
    );
    expect(JSON.parse(text)).toEqual([
      { n: 1, nome: 'a' },
      { n: '9007199254740993', nome: null },
      { n: 3, nome: 'ç"' },
    ]);
    expect(await written(writeJson, [])).toBe('[]\n');
  });

  it('keeps columns of the same name apart', async () => {
    const twice = async function* (): AsyncGenerator<Batch> {
      yield { columns: [...columns, ...columns], rows: [[1, 'a', 2, 'b']], truncated: false };
    };
    let text = '';
    await writeJson(twice(), async (part) => {
      text += part;
    });
    expect(JSON.parse(text)).toEqual([{ n: 1, nome: 'a', n_2: 2, nome_2: 'b' }]);
  });
});

describe('CSV', () => {
  it('follows RFC 4180; null is empty, an empty text is quoted', async () => {
    expect(
      await written(writeCsv, [
        [1, 'a,b'],
        [2, 'say "x"\r\n'],
        [3, null],
        [4, ''],
        [5, [1, { a: 'x' }]],
      ]),
    ).toBe('n,nome\r\n1,"a,b"\r\n2,"say ""x""\r\n"\r\n3,\r\n4,""\r\n5,"[1,{""a"":""x""}]"\r\n');
    expect(await written(writeCsv, [])).toBe('n,nome\r\n');
  });
});

describe('a table', () => {
  it('is aligned, shows nulls and long values shortly', async () => {
    expect(
      await written(writeTable, [
        [1, 'ação'],
        [1200, null],
      ]),
    ).toBe('   n  nome\n────  ────\n   1  ação\n1200  ∅\n');
    expect(await written(writeTable, [[1, 'x'.repeat(500)]])).toContain(`${'x'.repeat(99)}…\n`);
    expect(await written(writeTable, [])).toBe('n  nome\n─  ────\n');
  });

  it('never passes on what a terminal would obey', async () => {
    const text = await written(writeTable, [[1, 'a\u001b]0;owned\u0007\u009b2J\r\nb\u202ec']]);
    expect(text).toContain('a\\u001b]0;owned\\u0007\\u009b2J\\r\\nb\\u202ec');
  });

  it('streams beyond the rows that it measures', async () => {
    const page = Array.from({ length: 700 }, (_, n): SqlValue[] => [n, 'x']);
    expect((await written(writeTable, page, page, page)).split('\n')).toHaveLength(2_103);
  });
});
