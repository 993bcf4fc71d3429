import { useRef, useState } from 'react';
import type { ApiProblem } from '../api/problem.ts';
import { asProblem } from './load.ts';

/** One thing that the person has done: at most one runs at a time, however often it is clicked. */
export const useAction = <Arguments extends unknown[]>(
  act: (...parts: Arguments) => Promise<void>,
): {
  run: (...parts: Arguments) => Promise<void>;
  busy: boolean;
  problem: ApiProblem | undefined;
  clear: () => void;
} => {
  const running = useRef(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem>();
  const run = async (...parts: Arguments): Promise<void> => {
    // State is only read at the next rendering: two clicks in one moment would both find it free.
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setProblem(undefined);
    try {
      await act(...parts);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { run, busy, problem, clear: () => setProblem(undefined) };
};
