import { parentPort } from 'node:worker_threads';
import { answerBody } from './decision-answers.ts';
import type { Asked } from './decision-thread.ts';

// The thread of `openDecisionThread`. Batches give each other turns between their cases.
const isGoneById = new Map<number, boolean>();

parentPort?.on('message', (asked: Asked) => {
  if ('body' in asked) void answer(asked.id, asked.body);
  else if (isGoneById.has(asked.id)) isGoneById.set(asked.id, true);
});

const answer = async (id: number, body: Uint8Array): Promise<void> => {
  isGoneById.set(id, false);
  try {
    const answered = await answerBody(body, () => isGoneById.get(id) === true);
    parentPort?.postMessage({ id, answer: answered });
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    parentPort?.postMessage({ id, failure });
  }
  isGoneById.delete(id);
};
