import { join } from 'node:path';
import type { LakeEngine } from '../lake/engines/engine.ts';
import { openEngine } from '../lake/engines/open-engine.ts';
import { openFileCache } from '../lake/file-cache.ts';
import { openConfiguredLake } from '../lake/open-lake.ts';
import type { CliContext } from '../platform/cli.ts';
import { workFolder } from '../platform/work-folder.ts';
import { type Catalogue, loadPipelines, shownBroken } from './catalogue.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { openTransport } from './transport.ts';

export type CommandRoom = PipelineDeps & {
  readonly catalogue: Catalogue;
  readonly close: () => Promise<void>;
};

const copiesBytes = 20_000_000_000;

/** What the commands of pipelines work with, from the settings. The engine is opened when gold first asks for it. */
export const openCommandRoom = async (context: CliContext): Promise<CommandRoom> => {
  const config = context.config();
  const catalogue = await loadPipelines(config.LASTRO_PIPELINES);
  for (const each of catalogue.broken) context.stderr.write(`${shownBroken(each)}\n`);
  const pool = await context.postgres();
  const { lake, close: closeLake } = await openConfiguredLake({ config, pool });
  const transport = openTransport();
  const folder = await workFolder(config.LASTRO_HOME);
  let engine: Promise<LakeEngine> | undefined;
  return {
    catalogue,
    pool,
    lake,
    files: await openFileCache({
      store: lake.store,
      folder: join(folder, 'pipelines-cache'),
      maxBytes: copiesBytes,
    }),
    clock: () => new Date(),
    notice: (message) => void context.stderr.write(`${message}\n`),
    env: context.env,
    send: transport.send,
    engine: () => {
      engine ??= openEngine({ lake: async () => lake, config });
      return engine;
    },
    pipelines: catalogue.listed.map(({ pipeline }) => pipeline),
    stagingFolder: join(folder, 'pipelines'),
    close: async () => {
      await (await engine?.catch(() => undefined))?.close();
      await transport.close();
      await closeLake();
    },
  };
};
