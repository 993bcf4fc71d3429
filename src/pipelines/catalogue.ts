import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../platform/cli.ts';
import type { Pipeline } from './declaration.ts';
import { pipelineKit } from './define.ts';

export type Listed = { readonly pipeline: Pipeline; readonly file: string; readonly own: boolean };

const builtIn = join(import.meta.dirname, 'sources');

/**
 * Every declared pipeline: those of `sources/`, and those of the user's folder. A file's default export is a pipeline,
 * or a function that gives one from the kit (a file elsewhere can't import from this tree).
 * @throws UserError a file that can't be loaded or is no pipeline, a name that is there twice
 */
export const loadPipelines = async (folder: string | undefined): Promise<Listed[]> => {
  const listed = await loadFolder(builtIn, false);
  if (folder !== undefined) listed.push(...(await loadFolder(resolve(folder), true)));
  for (const [index, { pipeline, file }] of listed.entries()) {
    const other = listed.slice(0, index).find((each) => each.pipeline.name === pipeline.name);
    if (other)
      throw new UserError(`pipeline ${pipeline.name} is declared twice: in ${other.file} and in ${file}`);
  }
  return listed;
};

const loadFolder = async (folder: string, own: boolean): Promise<Listed[]> => {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`LASTRO_PIPELINES: expected a folder of pipeline files at ${folder}: ${reason}`);
  }
  const files = names.filter((name) => /\.(ts|mts|js|mjs)$/.test(name) && !/\.(test|d)\.[mc]?ts$/.test(name));
  return Promise.all(files.sort().map((name) => loadFile(join(folder, name), own)));
};

const loadFile = async (file: string, own: boolean): Promise<Listed> => {
  let given: unknown;
  try {
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    given = typeof module.default === 'function' ? module.default(pipelineKit) : module.default;
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${file}: ${error.message}`);
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new UserError(`${file} could not be loaded: ${reason}`);
  }
  if (isPipeline(given)) return { pipeline: given, file, own };
  throw new UserError(
    `${file}: expected its default export to be what definePipeline gives, found ${typeof given}; see docs/pipelines.md`,
  );
};

const isPipeline = (value: unknown): value is Pipeline =>
  typeof value === 'object' && value !== null && 'checked' in value && value.checked === true;

/** @throws UserError there is none of this name */
export const pipelineNamed = (listed: readonly Listed[], name: string): Pipeline => {
  const found = listed.find(({ pipeline }) => pipeline.name === name);
  if (found) return found.pipeline;
  const names = listed.map(({ pipeline }) => pipeline.name).join(', ');
  throw new UserError(`expected the name of a pipeline (${names}), found ${JSON.stringify(name)}`);
};
