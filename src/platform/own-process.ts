/** Runs a command line of lastro in a process of its own: its memory, its threads and what may end it are its own. */
export type RunLastro = (
  args: readonly string[],
  options: { signal: AbortSignal },
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
