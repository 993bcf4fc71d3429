import type { Pipeline, SourceHold } from './declaration.ts';

/** What a source keeps for a pipeline, or why that can't be said. */
export type Held = { readonly hold: SourceHold | null } | { readonly error: string };

/** Asks the source. undefined: it keeps nothing for pipelines. Never throws: a source may be away. */
export const askHold = async ({ source }: Pipeline, env: NodeJS.ProcessEnv): Promise<Held | undefined> => {
  if (source.kind !== 'custom' || !source.hold) return undefined;
  try {
    return { hold: await source.hold(env) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};

/** Whether it threatens the source, or what was kept is gone. */
export const isTooMuch = ({ bytes, limitBytes, state }: SourceHold): boolean =>
  bytes > limitBytes || state === 'unreserved' || state === 'lost';

const shownBytes = (bytes: number): string =>
  bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;

/** `slot lastro_public_contas keeps 12.4 MB of the source's log (limit 1073.7 MB, extended), last read 3 h ago` */
export const shownHold = ({ what, bytes, limitBytes, state, unreadSeconds }: SourceHold): string => {
  const read =
    unreadSeconds === null
      ? ''
      : `, not read for ${unreadSeconds < 7_200 ? `${Math.round(unreadSeconds / 60)} min` : `${Math.round(unreadSeconds / 3_600)} h`}`;
  return `${what} keeps ${shownBytes(bytes)} of the source's log (limit ${shownBytes(limitBytes)}, ${state})${read}`;
};
