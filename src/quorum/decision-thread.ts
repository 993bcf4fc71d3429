import { Worker } from 'node:worker_threads';
import type { BodyAnswer } from './decision-answers.ts';

export type DecisionThread = {
  /**
   * The answer to a request's body. Rejects when the thread ends before it is there: nothing is stored, so that the
   * request can be made again.
   * @param signal aborted when nobody waits any more.
   */
  readonly answer: (body: Uint8Array, signal: AbortSignal) => Promise<BodyAnswer>;
  readonly close: () => Promise<void>;
};

/** What the thread is told: a body to answer, or that nobody waits for the answer any more. */
export type Asked = { id: number; body: Uint8Array } | { id: number };

type Told = { id: number; answer: BodyAnswer } | { id: number; failure: string };

type Running = { readonly worker: Worker; readonly waiting: Map<number, PromiseWithResolvers<BodyAnswer>> };

/** A body of 16 MiB takes some 500 MB at worst. Beyond this the thread ends, and the process goes on. */
const mostMegabytes = 1024;

/**
 * A thread that reads bodies and decides their cases: one hostile case may take about a second, which the event loop
 * that answers everything else does not have. It is started at the first request, and again when it has ended.
 */
export const openDecisionThread = (): DecisionThread => {
  let running: Running | undefined;
  let asked = 0;

  const start = (): Running => {
    const worker = new Worker(new URL('./decision-worker.ts', import.meta.url), {
      // The parent's own flags (an inspector, --input-type) are not meant for its threads, and some end them.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: mostMegabytes },
    });
    const started: Running = { worker, waiting: new Map() };
    const fail = (error: Error): void => {
      if (running === started) running = undefined;
      for (const one of started.waiting.values()) one.reject(error);
      started.waiting.clear();
    };
    worker.on('message', (told: Told) => {
      const one = started.waiting.get(told.id);
      started.waiting.delete(told.id);
      if ('answer' in told) one?.resolve(told.answer);
      else one?.reject(new Error(`a quorum decision failed: ${told.failure}`));
    });
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`the thread of quorum decisions ended with code ${code}`)));
    // It waits for requests, which is no reason for the process to stay.
    worker.unref();
    running = started;
    return started;
  };

  return {
    answer: async (body, signal) => {
      const { worker, waiting } = running ?? start();
      const id = asked++;
      const one = Promise.withResolvers<BodyAnswer>();
      waiting.set(id, one);
      const leave = (): void => worker.postMessage({ id } satisfies Asked);
      signal.addEventListener('abort', leave, { once: true });
      // A copy of its own, which moves: a small buffer shares its memory with others.
      const own = new Uint8Array(body);
      worker.postMessage({ id, body: own } satisfies Asked, [own.buffer]);
      try {
        return await one.promise;
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
    close: async () => {
      await running?.worker.terminate();
    },
  };
};
