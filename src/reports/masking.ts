/**
 * `maskText` of src/shared/mask.ts as SQL for DuckDB, so that a file of a million rows is masked while it is copied.
 * The same rules in RE2's words: it has no lookaround, but `\b` and `\B` say the same where a pattern begins with a
 * digit or with a plus sign; its `\s` is ASCII only, so JavaScript's is spelled out. A property test holds the two
 * against each other.
 */
const space =
  '[\\t\\n\\v\\f\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}]';

const rules: readonly [pattern: string, replacement: string][] = [
  ['([\\w.+-])[\\w.+-]*(@[\\w-]+(?:\\.[\\w-]+)+)', '\\1***\\2'],
  ['\\b\\d{3}\\.(\\d{3})\\.(\\d{3})-\\d{2}\\b', '***.\\1.\\2-**'],
  [`\\B\\+55${space}?\\(?\\d{2}\\)?${space}?9?\\d{4}-?(\\d{4})\\b`, '***\\1'],
  [`\\(\\d{2}\\)${space}?9?\\d{4}-?(\\d{4})\\b`, '***\\1'],
  ['\\b\\d{3}(\\d{3})(\\d{3})\\d{2}\\b', '***.\\1.\\2-**'],
];

/** One look that is true for every text that a rule may change: most texts need no more. */
const suspicion = '@|\\d{11}|\\d{3}\\.\\d{3}\\.\\d{3}-|\\+55|\\(\\d{2}\\)';

/**
 * `value` (SQL text) masked. A text that is nothing but a CPF, as ids of clients are, is cut instead of searched: a
 * tenth of the time.
 */
export const maskSql = (value: string): string => {
  const masked = rules.reduce(
    (text, [pattern, replacement]) => `regexp_replace(${text}, '${pattern}', '${replacement}', 'g')`,
    value,
  );
  return `CASE WHEN strlen(${value}) = 11 AND regexp_full_match(${value}, '\\d{11}') THEN concat('***.', ${value}[4:6], '.', ${value}[7:9], '-**') WHEN regexp_matches(${value}, '${suspicion}') THEN ${masked} ELSE ${value} END`;
};

/** `list` (SQL, of texts) with each text masked. */
export const maskListSql = (list: string): string => `list_transform(${list}, lambda x: ${maskSql('x')})`;

/**
 * Whether a row of these texts and lists (SQL) may have something to mask: one look at all of them together, because
 * what is in one is in their join. Looking at each takes four times as long.
 */
export const suspectSql = ({
  texts,
  lists,
}: {
  texts: readonly string[];
  lists: readonly string[];
}): string => {
  const all = [...texts, ...lists.map((list) => `array_to_string(${list}, ' ')`)];
  return all.length === 0 ? 'false' : `regexp_matches(concat(${all.join(", ' ', ")}), '${suspicion}')`;
};

/**
 * Where masking JSON text as if it were plain text would go wrong: an escape may hide where a word begins, and a
 * digit run that is not exactly a quoted one may be (part of) a number, which has to stay JSON.
 */
const riskyToMask = '\\\\|(?:^|[^"\\w])\\d{11}(?:\\W|$)|(?:^|\\W)\\d{11}(?:[^"\\w]|$)';

/** Number tokens that DuckDB's JSON functions may write otherwise than they found them (they make doubles of them). */
const riskyNumber =
  '(?:^|[:\\[,\\s])(?:-?(?:[0-9.]{15}|[0-9]+\\.[0-9]*0(?:[,\\]}\\s]|$)|[0-9.]+[eE]|0\\.000000)|-0(?:[,\\]}\\s]|$))';

/** The JavaScript function behind `preparedJson`; see exact-json.ts. */
export const exactJsonFunction = 'lastro_exact_json';

/**
 * A JSON column (text) made safe to take apart: masked where asked, and numbers that DuckDB would change replaced by
 * marked texts. Only documents that need it leave the engine for JavaScript.
 */
export const preparedJson = (column: string, masked: boolean): string => {
  const risk = masked ? `${riskyToMask}|${riskyNumber}` : riskyNumber;
  return `CASE WHEN regexp_matches(${column}, '${risk}') THEN ${exactJsonFunction}(${column}) ELSE ${masked ? maskSql(column) : column} END`;
};
