import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parse } from 'csv-parse/sync';
import type { CustomSource } from './declaration.ts';

export type CsvFileOptions = {
  /** Name of the variable that has the file's path. */
  readonly pathFrom: string;
  /** Default: comma. */
  readonly delimiter?: string;
  /** No record, in place of a failure, where the variable is not set. A file that is named has to be there. */
  readonly optional?: boolean;
};

/**
 * A table of the user's own, kept as a CSV file (RFC 4180, UTF-8, names of columns in its first line): the whole of it
 * each time, so for `windows: { full: true }`. Values are text; an empty field that is not quoted is null.
 * @throws Error naming the variable, the file and the line
 */
export const csvFile = ({ pathFrom, delimiter = ',', optional = false }: CsvFileOptions): CustomSource => ({
  kind: 'custom',
  name: `csv file of ${pathFrom}`,
  // What is wrong with a file is wrong a second later, too.
  retry: { tries: 1 },
  read: async ({ env }) => {
    const path = env[pathFrom];
    if (path === undefined || path === '') {
      if (!optional) throw new Error(`expected the path of a CSV file in ${pathFrom}, found none`);
      return { body: Buffer.from('[]'), address: `no file in ${pathFrom}`, next: null };
    }
    return {
      body: Buffer.from(JSON.stringify(await readCsv(path, delimiter, pathFrom))),
      address: `file ${basename(path)}`,
      next: null,
    };
  },
});

const readCsv = async (path: string, delimiter: string, pathFrom: string): Promise<unknown[]> => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
    return parse(text, {
      delimiter,
      bom: true,
      columns: requireOnce,
      skip_empty_lines: true,
      cast: (value, { quoting }) => (value === '' && !quoting ? null : value),
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} (${pathFrom}): expected CSV in UTF-8 with names in its first line: ${reason}`, {
      cause: error,
    });
  }
};

const requireOnce = (header: (string | null)[]): string[] =>
  header.map((name, at) => {
    if (name === null || name.trim() === '') throw new Error(`column ${at + 1} has no name`);
    if (header.indexOf(name) !== at) throw new Error(`column ${name} is there twice`);
    return name.trim();
  });
