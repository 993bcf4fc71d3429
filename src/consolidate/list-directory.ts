import type { Worker } from 'node:worker_threads';
import { type ListedFolder, receivedFolder } from './listed-folder.ts';
import { converse, unexpected } from './reading-thread.ts';
import { SourceError } from './source.ts';

/** Folders go to whichever worker is free; each may bring more of them. */
export const listDirectory = async (
  { workers, url, notice }: { workers: readonly Worker[]; url: string; notice: (message: string) => void },
  signal?: AbortSignal,
): Promise<ListedFolder[]> => {
  const listing: ListedFolder[] = [];
  const waiting = [''];
  const idle = new Set<() => void>();
  let underWay = 0;
  const serveListing = (worker: Worker): Promise<void> =>
    converse<void>(worker, signal, ({ say, end, fail }) => {
      const next = (): void => {
        idle.delete(next);
        const path = waiting.pop();
        if (path !== undefined) {
          underWay++;
          say({ kind: 'list', path });
        } else if (underWay === 0) end();
        else idle.add(next);
      };
      next();
      return (message) => {
        if (message.kind !== 'listed') {
          fail(unexpected(message));
          return;
        }
        underWay--;
        if (message.problem !== undefined) {
          if (message.folder.path === '') fail(new SourceError(url, message.problem));
          notice(`${message.folder.path} was left for the next run: ${message.problem}`);
        }
        if (message.unnamed !== undefined) {
          const where = message.folder.path || 'the source';
          notice(
            `${message.unnamed} files in ${where} have names that are not UTF-8: rename them to have them taken`,
          );
        }
        if (message.folder.sizes.length > 0) listing.push(receivedFolder(message.folder));
        waiting.push(...message.below);
        next();
        for (const wake of [...idle]) wake();
      };
    });
  await Promise.all(workers.map(serveListing));
  return listing;
};
