import { parentPort, workerData } from 'node:worker_threads';
import { type Change, caseReplayer, type ReplayBatch } from './replay.ts';

// One of `replay`'s threads: a batch of cases in, its results out, in the order of the messages.
const replayCase = caseReplayer(workerData as Change);

parentPort?.on('message', ({ first, cases }: ReplayBatch) => {
  parentPort?.postMessage(cases.map((one, offset) => replayCase(first + offset, one)));
});
