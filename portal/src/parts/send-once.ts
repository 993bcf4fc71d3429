import { useRef } from 'react';
import { ApiProblem } from '../api/problem.ts';

const tries = 6;
const pauseMs = 1_000;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, pauseMs));

/**
 * An Idempotency-Key for a request: the same one for as long as the request stays the same, so that a second click,
 * or a try after a lost answer, is answered with what the first one did. Another content gets another key.
 */
export const useRequestKey = (): ((content: unknown) => string) => {
  const last = useRef<{ text: string; key: string }>(undefined);
  return (content) => {
    const text = JSON.stringify(content);
    if (last.current?.text !== text) last.current = { text, key: crypto.randomUUID() };
    return last.current.key;
  };
};

/** Asks again while the same request is still being worked on; its answer is then the one of the first. */
export const untilAnswered = async <T>(send: () => Promise<T>): Promise<T> => {
  for (let left = tries; ; left--) {
    try {
      return await send();
    } catch (error) {
      const isRunning = error instanceof ApiProblem && error.type === 'request-in-progress';
      if (!isRunning || left === 0) throw error;
      await pause();
    }
  }
};
