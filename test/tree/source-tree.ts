import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A text file of the checkout; `path` is relative to its root, with `/`. */
export type SourceFile = { readonly path: string; readonly text: string };

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Not ours, or not text that people wrote. */
const ignored = new Set([
  'node_modules',
  '.git',
  '.lastro',
  '.data',
  'coverage',
  'dist',
  'fixtures',
  'cdk.out',
]);
const textual = /\.(ts|tsx|js|mjs|json|md|sql|sh|yml|yaml|html|css|txt)$|^(?:LICENSE|run)$/;

/** Every text file that people wrote, in the given folders (or the whole checkout). */
export const readTree = async (folders: string[] = ['.']): Promise<SourceFile[]> => {
  const files: SourceFile[] = [];
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      if (ignored.has(entry.name)) continue;
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) await visit(path);
      else if (textual.test(entry.name)) files.push({ path, text: await readFile(join(root, path), 'utf8') });
    }
  };
  for (const folder of folders) await visit(folder);
  return files;
};

export const isTypeScript = ({ path }: SourceFile): boolean => /\.tsx?$/.test(path);
export const isTest = (path: string): boolean => /\.test\.tsx?$/.test(path) || path.startsWith('test/');

/** An import as written: `to` is a path in the tree where it was relative, else the package's name. */
export type Import = { from: string; to: string; relative: boolean; typeOnly: boolean };

const statement = /^(import|export)\s+(type\s+)?(?:[^'"`;]*?\bfrom\s*)?['"]([^'"\n]+)['"]/gm;
const dynamic = /\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g;

export const importsOf = ({ path, text }: SourceFile): Import[] => {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    const relative = specifier.startsWith('.');
    const to = relative ? posix.join(dirname(path), specifier) : packageName(specifier);
    found.push({ from: path, to, relative, typeOnly });
  };
  for (const [, , type, specifier = ''] of text.matchAll(statement)) add(specifier, type !== undefined);
  for (const [, specifier = ''] of text.matchAll(dynamic)) add(specifier, false);
  return found;
};

const packageName = (specifier: string): string =>
  specifier.startsWith('node:')
    ? specifier
    : specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');

/** The text without comments and the contents of strings, so that words in them count for nothing. */
export const codeOf = (text: string): string =>
  text.replaceAll(
    /\/\*[\s\S]*?\*\/|(?<!:)\/\/.*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g,
    (match) => (match.startsWith('/') ? ' ' : "''"),
  );
