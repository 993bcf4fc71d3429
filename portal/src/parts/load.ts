import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiProblem } from '../api/problem.ts';

export type Loaded<T> = {
  /** The newest answer; stays while it is asked again. */
  readonly data: T | undefined;
  readonly problem: ApiProblem | undefined;
  readonly loading: boolean;
  readonly reload: () => void;
};

export const asProblem = (error: unknown): ApiProblem =>
  error instanceof ApiProblem
    ? error
    : new ApiProblem({ type: 'page', status: 0, title: 'page', detail: String(error) });

/**
 * Loads something when `key` changes, and again every `everyMs` while the page is looked at and `again` says so of
 * the newest answer. An answer that comes after the next question was asked is dropped.
 */
export const useLoad = <T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  { everyMs, again = () => true }: { everyMs?: number; again?: (data: T) => boolean } = {},
): Loaded<T> => {
  const [state, setState] = useState<{
    key: string | null;
    data?: T;
    problem?: ApiProblem;
    loading: boolean;
  }>({
    key,
    loading: key !== null,
  });
  const [round, setRound] = useState(0);
  const ask = useRef(load);
  ask.current = load;
  const wanted = useRef(again);
  wanted.current = again;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a round is asked for by its number alone
  useEffect(() => {
    if (key === null) return;
    const gone = new AbortController();
    setState((before) => (before.key === key ? { ...before, loading: true } : { key, loading: true }));
    ask.current(gone.signal).then(
      (data) => {
        if (!gone.signal.aborted) setState({ key, data, loading: false });
      },
      (error: unknown) => {
        if (!gone.signal.aborted)
          setState((before) => ({ ...before, key, problem: asProblem(error), loading: false }));
      },
    );
    return () => gone.abort();
  }, [key, round]);

  const reload = useCallback(() => setRound((before) => before + 1), []);
  const { data, problem, loading } =
    state.key === key ? state : { data: undefined, problem: undefined, loading: true };

  useEffect(() => {
    if (everyMs === undefined || loading || data === undefined || problem || !wanted.current(data)) return;
    const timer = setTimeout(() => {
      if (document.visibilityState === 'visible') reload();
    }, everyMs);
    const seen = (): void => {
      if (document.visibilityState === 'visible') reload();
    };
    document.addEventListener('visibilitychange', seen);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [everyMs, data, loading, problem, reload]);

  return { data, problem, loading, reload };
};
