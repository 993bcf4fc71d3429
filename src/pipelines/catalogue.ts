import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../platform/cli.ts';
import type { Pipeline } from './declaration.ts';
import { pipelineKit } from './define.ts';

export type Listed = { readonly pipeline: Pipeline; readonly file: string; readonly own: boolean };

/** A file that gives no pipeline, and why. It keeps no other from being used. */
export type Broken = { readonly file: string; readonly error: string };

export type Catalogue = { readonly listed: readonly Listed[]; readonly broken: readonly Broken[] };

const builtIn = join(import.meta.dirname, 'sources');

/**
 * Every declared pipeline: those of `sources/`, and those of the user's folder. A file's default export is a pipeline,
 * or a function that gives one from the kit (a file elsewhere can't import from this tree). What can't be loaded, is no
 * pipeline, or has the name of an earlier one, is told as broken.
 */
export const loadPipelines = async (folder: string | undefined): Promise<Catalogue> => {
  const found = await loadFolder(builtIn, false);
  if (folder !== undefined) found.push(...(await loadFolder(resolve(folder), true)));
  const listed: Listed[] = [];
  const broken: Broken[] = [];
  for (const each of found) {
    if ('error' in each) {
      broken.push(each);
      continue;
    }
    const { name } = each.pipeline;
    const other = listed.find(({ pipeline }) => pipeline.name === name);
    if (!other) listed.push(each);
    else
      broken.push({ file: each.file, error: `pipeline ${name} is declared twice: first in ${other.file}` });
  }
  return { listed, broken };
};

const loadFolder = async (folder: string, own: boolean): Promise<(Listed | Broken)[]> => {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ file: folder, error: `LASTRO_PIPELINES: expected a folder of pipeline files: ${reason}` }];
  }
  const files = names.filter((name) => /\.(ts|mts|js|mjs)$/.test(name) && !/\.(test|d)\.[mc]?ts$/.test(name));
  return Promise.all(files.sort().map((name) => loadFile(join(folder, name), own)));
};

const loadFile = async (file: string, own: boolean): Promise<Listed | Broken> => {
  let given: unknown;
  try {
    // Modules are kept by their address: with the time of its change a worker takes a file that was mended.
    const { mtimeMs } = await stat(file);
    const address = `${pathToFileURL(file).href}${own ? `?changed=${Math.round(mtimeMs * 1000)}` : ''}`;
    const module = (await import(address)) as { default?: unknown };
    given = typeof module.default === 'function' ? module.default(pipelineKit) : module.default;
  } catch (error) {
    if (error instanceof UserError) return { file, error: error.message };
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { file, error: `it could not be loaded: ${reason}` };
  }
  if (isPipeline(given)) return { pipeline: given, file, own };
  return {
    file,
    error: `expected its default export to be what definePipeline gives, found ${typeof given}; see docs/pipelines.md`,
  };
};

const isPipeline = (value: unknown): value is Pipeline =>
  typeof value === 'object' && value !== null && 'checked' in value && value.checked === true;

/** A line for people: the file, and the beginning of what is wrong with it. */
export const shownBroken = ({ file, error }: Broken): string => `${file} is skipped: ${error.split('\n')[0]}`;

/** @throws UserError there is none of this name; of a file that is broken, what is wrong with it */
export const pipelineNamed = ({ listed, broken }: Catalogue, name: string): Pipeline => {
  const found = listed.find(({ pipeline }) => pipeline.name === name);
  if (found) return found.pipeline;
  const own = broken.find(({ file }) => basename(file).replace(/\.[^.]+$/, '') === name);
  if (own) throw new UserError(`${own.file}: ${own.error}`);
  const names = listed.map(({ pipeline }) => pipeline.name).join(', ');
  const skipped = broken.map((each) => `\n${shownBroken(each)}`).join('');
  throw new UserError(`expected the name of a pipeline (${names}), found ${JSON.stringify(name)}${skipped}`);
};
