import { QueryError } from './engine.ts';

const readers = new Set(['SELECT', 'WITH', 'VALUES', 'TABLE', 'SHOW', 'DESCRIBE', 'DESC']);

/**
 * Lets only a query through to an engine that other people run. It looks at the first word, which in Trino's
 * grammar decides what a statement does (EXPLAIN is left out: `EXPLAIN ANALYZE INSERT` writes); what a user may read
 * there is for that engine's own access control.
 * @returns the statement without comments around it and without its last semicolon
 * @throws QueryError
 */
export const readOnly = (sql: string): string => {
  const text = sql.trim().replace(/;\s*$/, '');
  let rest = text;
  for (;;) {
    const shorter = rest.replace(/^(\s+|\(|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)/, '');
    if (shorter === rest) break;
    rest = shorter;
  }
  const word = /^[a-z]+/i.exec(rest)?.[0].toUpperCase() ?? '';
  if (readers.has(word)) return text;
  throw new QueryError(
    `expected a query (${[...readers].join(', ')}), found ${word === '' ? 'none' : word}; the lake is read-only here`,
  );
};
