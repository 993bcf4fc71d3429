import type { Pipeline } from '../declaration.ts';
import { baseOf } from '../page-reader.ts';

/** Where sources are for other systems: the address that is in effect. */
export const addressOf =
  (pipelines: readonly Pipeline[], env: NodeJS.ProcessEnv) =>
  (name: string): string | undefined => {
    const source = pipelines.find((pipeline) => pipeline.name === name)?.source;
    if (!source) return undefined;
    return source.kind === 'http' ? `${baseOf(source, env)}${source.path.split('?')[0] ?? ''}` : source.name;
  };
