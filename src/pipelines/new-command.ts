import { access, mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { type CliContext, UserError } from '../platform/cli.ts';
import { print } from './commands.ts';

/** The example that `lastro pipeline new` writes: works as it is, on an API that gives rates by day. */
const example = (name: string, kit: string): string => `import type { PipelineKit } from '${kit}';

// A pipeline is one file. LASTRO_PIPELINES names its folder; docs/pipelines.md explains every field.
export default ({ definePipeline, secret }: PipelineKit) =>
  definePipeline({
    // Tables: bronze.${name} (answers as they came), silver.${name} (typed rows, the newest of each key).
    name: '${name}',
    about: 'what this source is, in a line',
    source: {
      kind: 'http',
      // The environment variable may point to another address, for instance a stand-in.
      base: { env: '${name.toUpperCase()}_URL', default: 'https://api.example.com' },
      // {from:…} is the beginning of the range, {last:…} its last day, {to:…} its end (exclusive).
      path: '/v1/rates?from={from:date}&to={last:date}&page={page}&size={limit}',
      headers: {
        // Looked up in the environment when a request is made; bronze keeps only the name.
        // authorization: secret('${name.toUpperCase()}_TOKEN', 'Bearer '),
      },
      // none, page, offset, cursor { at }, link { at? }, odata { size }
      pagination: { kind: 'page', size: 100 },
      // Path of the list of records in the answer.
      records: 'items',
      rateLimit: { requests: 5, perSeconds: 1 },
      retry: { tries: 5 },
    },
    // One window a day from this date on, due when the day has passed; each request takes in the three days before again.
    windows: [{ every: 'day', from: '2024-01-01', lag: 1, lookback: 3 }],
    silver: {
      columns: {
        // from: path in the record (default: the column's name); format: of dates that are not ISO 8601
        dia: { type: 'date', from: 'date', required: true },
        moeda: { type: 'string', from: 'currency', required: true },
        // Decimals stay decimals: more digits than these break the contract, they are not rounded.
        taxa: { type: 'decimal(18,6)', from: 'rate', required: true },
      },
      key: ['dia', 'moeda'],
      // evolve, freeze, quarantine_row, quarantine_value
      contract: { columns: 'evolve', types: 'quarantine_row' },
      // At most so many rows may go to quarantine before the run stops.
      budget: { share: 0.05 },
      // How many records a range must have at least: an empty success is not taken for one.
      expects: () => 0,
    },
    checks: [
      { kind: 'range', column: 'taxa', min: 0, onFail: 'quarantine' },
      { kind: 'unique', columns: ['dia', 'moeda'], onFail: 'stop' },
    ],
    gold: [
      {
        // The same SQL runs on DuckDB, Trino and Athena.
        name: '${name}_mensal',
        sql: \`SELECT moeda, CAST(date_trunc('month', dia) AS DATE) AS mes, count(*) AS dias,
       CAST(avg(taxa) AS DECIMAL(18, 6)) AS media
FROM silver.${name} GROUP BY moeda, CAST(date_trunc('month', dia) AS DATE)\`,
        key: ['moeda', 'mes'],
      },
    ],
    // tables: how old the newest row may become, of a table or of each value of a column (by).
    freshness: { hours: 48, tables: [{ table: 'silver.${name}', column: 'dia', by: 'moeda', hours: 96 }] },
  });
`;

/** `lastro pipeline new` */
export const newCommand = async (
  context: CliContext,
  name: string,
  { folder, print: toStdout }: { folder?: string; print?: boolean },
): Promise<void> => {
  if (!/^[a-z][a-z0-9_]{0,60}$/.test(name)) {
    throw new UserError(`expected a name of lower-case letters, digits and _, found ${JSON.stringify(name)}`);
  }
  const target = resolve(folder ?? context.config().LASTRO_PIPELINES ?? 'pipelines');
  // Only a type is imported, and types are erased: the file runs wherever it lies.
  const kit = relative(target, join(import.meta.dirname, 'define.ts'))
    .split(sep)
    .join('/');
  const text = example(name, kit.startsWith('.') ? kit : `./${kit}`);
  if (toStdout) return print(context, text.trimEnd());
  const file = join(target, `${name.replaceAll('_', '-')}.ts`);
  const taken = await access(file).then(
    () => true,
    () => false,
  );
  if (taken) throw new UserError(`${file} is there already; nothing was written`, 1);
  await mkdir(target, { recursive: true });
  await writeFile(file, text, { flag: 'wx' });
  await print(context, `wrote ${file}\nnext: LASTRO_PIPELINES=${target} lastro pipeline plan ${name}`);
};
