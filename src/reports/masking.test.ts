import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allRows, type DuckSession, openDuckDb, quoteText } from '../lake/duckdb-session.ts';
import { maskText } from '../shared/mask.ts';
import { exactJson, registerExactJson, unmarkedJson, unmarkedText } from './exact-json.ts';
import { maskListSql, maskSql, preparedJson, suspectSql } from './masking.ts';

let session: DuckSession;
const marker = 'markermarker:';

beforeAll(async () => {
  session = await openDuckDb();
  registerExactJson(session.connection, { masked: true, marker });
});
afterAll(() => session.close());

/** Pieces that the rules are about, glued together in every way. */
const piece = fc.oneof(
  fc.constantFrom(
    '+55',
    '11',
    '91234-5678',
    '1234-5678',
    '(11)',
    '912345678',
    '@',
    '.',
    '-',
    '_',
    ' ',
    '\n',
    '\t',
  ),
  fc.constantFrom('\u00a0', '\ufeff', 'é', '😀', '"', '\\', ':', ',', '[', ']', '{', '}', 'n', 'u0031'),
  fc.constantFrom(
    '123.456.789-09',
    '12345678909',
    'joao.silva@example.com',
    'a@b.c',
    '5511912345678',
    '0000000000',
  ),
  fc.string({ unit: 'grapheme', maxLength: 3 }),
  fc.stringMatching(/^\d{1,13}$/),
);
const text = fc
  .array(piece, { maxLength: 8 })
  .map((pieces) => pieces.join(''))
  .filter((found) => !found.includes('\0') && found.isWellFormed());

const column = async (expression: string, texts: readonly string[]): Promise<unknown[]> => {
  const values = texts.map((value, at) => `(${at}, ${quoteText(value)})`).join(', ');
  const rows = await allRows(
    session.connection,
    `SELECT '|' || (${expression}) AS value FROM (VALUES ${values}) t(n, x) ORDER BY n`,
  );
  // The client drops a byte order mark at the beginning of a text.
  return rows.map((row) => String(row.value).slice(1));
};

describe('masks in SQL', () => {
  it('are those of maskText', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 50, maxLength: 200 }), async (texts) => {
        expect(await column(maskSql('x'), texts)).toEqual(texts.map(maskText));
      }),
      { numRuns: 60 },
    );
  });

  it('are the same for each text of a list', async () => {
    const list = fc.option(fc.array(fc.option(text, { freq: 5 }), { maxLength: 4 }), { freq: 9 });
    const sql = (texts: readonly (string | null)[] | null): string =>
      texts === null
        ? 'NULL'
        : `[${texts.map((one) => (one === null ? 'NULL' : quoteText(`|${one}`))).join(', ')}]::VARCHAR[]`;
    await fc.assert(
      fc.asyncProperty(fc.array(list, { minLength: 50, maxLength: 100 }), async (lists) => {
        const rows = await allRows(
          session.connection,
          `SELECT ${maskListSql('x')} AS value FROM (VALUES ${lists.map((found, at) => `(${at}, ${sql(found)})`).join(', ')}) t(n, x) ORDER BY n`,
        );
        const masked = lists.map(
          (texts) => texts?.map((one) => (one === null ? null : maskText(`|${one}`))) ?? null,
        );
        expect(rows.map(({ value }) => value)).toEqual(masked);
      }),
      { numRuns: 20 },
    );
  });

  it('are looked for in every row that has something to mask, wherever in it', async () => {
    const row = fc.record({
      one: fc.option(text, { freq: 4 }),
      other: fc.option(text, { freq: 4 }),
      list: fc.option(fc.array(text, { maxLength: 3 }), { freq: 4 }),
    });
    const literal = (value: string | null): string => (value === null ? 'NULL' : quoteText(value));
    const suspect = suspectSql({ texts: ['one', 'other'], lists: ['list'] });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 50, maxLength: 200 }), async (rows) => {
        const values = rows.map(
          ({ one, other, list }, at) =>
            `(${at}, ${literal(one)}, ${literal(other)}, ${list === null ? 'NULL' : `[${list.map(quoteText).join(', ')}]`}::VARCHAR[])`,
        );
        const found = await allRows(
          session.connection,
          `SELECT ${suspect} AS suspect FROM (VALUES ${values.join(', ')}) t(n, one, other, list) ORDER BY n`,
        );
        for (const [at, { one, other, list }] of rows.entries()) {
          const texts = [one, other, ...(list ?? [])].filter((each) => each !== null);
          if (texts.some((each) => maskText(each) !== each)) expect(found[at]).toEqual({ suspect: true });
        }
      }),
      { numRuns: 30 },
    );
    expect(suspectSql({ texts: [], lists: [] })).toBe('false');
  });

  const number = fc.oneof(
    fc.stringMatching(/^(0|[1-9]\d{0,37})$/),
    fc.stringMatching(/^-?(0|[1-9]\d{0,20})\.\d{1,17}$/),
    fc.stringMatching(/^-?[1-9]\d?(\.\d{1,3})?[eE][+-]?[1-9]\d?$/),
    fc.constantFrom(
      '12345678901',
      '12345678901.5',
      '-0',
      '1.50',
      '0.0000001',
      '12345678901234567890123456789012345678',
    ),
  );
  const json = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      text.map((found) => JSON.stringify(found)),
      number,
      fc.constantFrom('null', 'true', 'false', '[]', '{}'),
      fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`),
      fc
        .uniqueArray(fc.tuple(text, tie('value')), { maxLength: 3, selector: ([key]) => maskText(key) })
        .map((members) => `{${members.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`),
    ),
  })).value;

  it('keep JSON as it is but for what they mask, with all digits of its numbers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(json, { minLength: 30, maxLength: 100 }), async (documents) => {
        const whole = await column(unmarkedJson(preparedJson('x', true), marker), documents);
        // A marker that no number gets: what is left is what masking alone does, token by token.
        const expected = documents.map((found) =>
          exactJson(found, { masked: true, marker: 'M' }).replaceAll(/"M([0-9.eE+-]+)"/g, '$1'),
        );
        expect(whole).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('give members with all their digits when a document is taken apart', async () => {
    const digits = await fc.sample(number, 200);
    const documents = digits.map((found) => `{"a":{"b":[${found}],"c":${found}},"texto":"x"}`);
    const prepared = `CAST(${preparedJson('x', false)} AS JSON)`;
    const inList = unmarkedText(`json_extract_string(${prepared}, '/a/b')`, marker);
    const alone = unmarkedText(`json_extract_string(${prepared}, '/a/c')`, marker);
    const unmasked = await openDuckDb();
    try {
      registerExactJson(unmasked.connection, { masked: false, marker });
      const rows = await allRows(
        unmasked.connection,
        `SELECT ${inList} AS list, ${alone} AS alone FROM (VALUES ${documents.map((found, at) => `(${at}, ${quoteText(found)})`).join(', ')}) t(n, x) ORDER BY n`,
      );
      expect(rows.map(({ list, alone }) => [list, alone])).toEqual(
        digits.map((found) => [`[${found}]`, found]),
      );
    } finally {
      await unmasked.close();
    }
  });
});
