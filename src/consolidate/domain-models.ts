import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../platform/cli.ts';

/** A SELECT that must find no row in the domain's result. */
export type DomainTest = { readonly name: string; readonly sql: string };

/**
 * A processed table, as a file `<domain>.sql` says it:
 *
 * ```sql
 * -- key: pull_request_id, day
 * -- feedback: changes
 * SELECT day, … FROM events
 *
 * -- test: every pull request has an author
 * SELECT * FROM result WHERE author IS NULL
 * ```
 *
 * `events` holds the events of the days that changed: the columns of the events' table, `day` (of ingestion, UTC)
 * and `payload` (the document as JSON; null where DuckDB cannot parse it, such as a lone surrogate). The result must carry `day` too: its table is partitioned by it, and a
 * day is always replaced whole.
 */
export type Domain = {
  /** Name of the file without `.sql`: lower-case letters, digits and `_`. */
  readonly name: string;
  readonly sql: string;
  /** Columns that no two rows share and that are never null; with `day` among them, unique within a day. */
  readonly key: readonly string[];
  readonly tests: readonly DomainTest[];
  /** Send each changed record as a message. */
  readonly feedback: boolean;
  /** JSON Schema of a changed record, from `<domain>.schema.json`. */
  readonly schema: object | undefined;
  /** Changes whenever the model does. */
  readonly hash: string;
};

const setting = /^\s*--\s*(\w+)\s*:\s*(.*?)\s*$/;

const wrong = (file: string, message: string): UserError => new UserError(`${file}: ${message}`);

const stripEnd = (sql: string): string => sql.trim().replace(/;+\s*$/, '');

/**
 * Reads one model.
 * @throws UserError naming the file and what is missing
 */
export const parseDomain = (file: string, text: string, schema?: object): Domain => {
  const name = basename(file, '.sql');
  if (!/^[a-z][a-z0-9_]*$/.test(name)) {
    throw wrong(
      file,
      'expected a file name of lower-case letters, digits and _, as the table will be named so',
    );
  }
  const settings = new Map<string, string>();
  const tests: { name: string; sql: string }[] = [];
  let sql = '';
  for (const line of text.split('\n')) {
    const [, key, value = ''] = setting.exec(line) ?? [];
    const current = tests.at(-1);
    if (key === 'test') tests.push({ name: value, sql: '' });
    else if (current) current.sql += `${line}\n`;
    else if (key === 'key' || key === 'feedback') settings.set(key, value);
    else sql += `${line}\n`;
  }
  const key = (settings.get('key') ?? '')
    .split(',')
    .map((column) => column.trim())
    .filter((column) => column !== '');
  if (key.length === 0)
    throw wrong(file, 'expected a line `-- key: column, …` with the columns that identify a row');
  const feedback = settings.get('feedback') ?? 'none';
  if (!['none', 'changes'].includes(feedback)) {
    throw wrong(file, `expected \`-- feedback: changes\` or none, found ${JSON.stringify(feedback)}`);
  }
  if (stripEnd(sql) === '') throw wrong(file, 'expected a SELECT before the first test');
  return {
    name,
    sql: stripEnd(sql),
    key,
    tests: tests.map((test) => ({ ...test, sql: stripEnd(test.sql) })),
    feedback: feedback === 'changes',
    schema,
    hash: createHash('sha256').update(text).digest('hex'),
  };
};

/**
 * Reads every model of a folder, by name.
 * @throws UserError for a folder that is not there, or a model that is not valid
 */
export const loadDomains = async (folder: string): Promise<Domain[]> => {
  const names = await readdir(folder).catch(() => undefined);
  if (!names) throw new UserError(`--domains: expected a folder of SQL models, found none at ${folder}`);
  const domains: Domain[] = [];
  for (const name of names.filter((each) => each.endsWith('.sql')).sort()) {
    const file = join(folder, name);
    const schemaFile = name.replace(/\.sql$/, '.schema.json');
    domains.push(
      parseDomain(file, await readFile(file, 'utf8'), await readSchema(folder, names, schemaFile)),
    );
  }
  return domains;
};

const readSchema = async (folder: string, names: string[], name: string): Promise<object | undefined> => {
  if (!names.includes(name)) return undefined;
  const file = join(folder, name);
  try {
    const parsed: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch (error) {
    throw wrong(file, `expected a JSON Schema: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw wrong(file, 'expected a JSON Schema: an object');
};
