import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';

/** Work on many items in one transaction. It answers each of them, in their order. */
type Work<Deps, Item, Answer> = (deps: Deps, items: readonly Item[]) => Promise<readonly Answer[]>;

type Waiting<Item, Answer> = {
  item: Item;
  resolve: (answer: Answer) => void;
  reject: (reason: unknown) => void;
};

/** Larger batches save little more, and their first item waits for the last. */
const mostItems = 64;

/**
 * Makes a function over one item of work over many: calls that come while an earlier batch runs go together in
 * the next, and one that comes alone goes at once. Most of what a small transaction costs is not its rows, but
 * round trips, the start of its plans and its commit.
 *
 * The items of a batch commit together or not at all. Where PostgreSQL refuses a batch, each of its items goes
 * alone, so that none fails for another. Where the connection is lost, all of them fail: whether they were
 * committed is not known, and only the callers know how to find out.
 */
export const batched = <Deps extends object, Item, Answer>(
  work: Work<Deps, Item, Answer>,
): ((deps: Deps, item: Item) => Promise<Answer>) => {
  // What has the same dependencies goes together; a process, or a test, may have several databases.
  const gatherers = new WeakMap<Deps, (item: Item) => Promise<Answer>>();
  return (deps, item) => {
    const gather = gatherers.get(deps) ?? gathering(deps, work);
    gatherers.set(deps, gather);
    return gather(item);
  };
};

const gathering = <Deps, Item, Answer>(deps: Deps, work: Work<Deps, Item, Answer>) => {
  const waiting: Waiting<Item, Answer>[] = [];
  let running = false;
  const run = async (): Promise<void> => {
    // What comes in the same turn of the event loop comes along: a fetch brings many jobs at once.
    await nextTurn();
    while (waiting.length > 0) await runBatch(deps, work, waiting.splice(0, mostItems));
    running = false;
  };
  return (item: Item): Promise<Answer> =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (running) return;
      running = true;
      void run();
    });
};

const runBatch = async <Deps, Item, Answer>(
  deps: Deps,
  work: Work<Deps, Item, Answer>,
  batch: readonly Waiting<Item, Answer>[],
): Promise<void> => {
  const answerAll = async (part: readonly Waiting<Item, Answer>[]): Promise<void> => {
    const answers = await work(
      deps,
      part.map(({ item }) => item),
    );
    if (answers.length !== part.length)
      throw new Error(`expected ${part.length} answers of a batch, found ${answers.length}`);
    for (const [index, answer] of answers.entries()) part[index]?.resolve(answer);
  };
  try {
    await answerAll(batch);
  } catch (error) {
    if (batch.length === 1 || !isRefusal(error)) for (const { reject } of batch) reject(error);
    // Not waited for: one that has to wait for a lock must not hold up the next batch.
    else for (const one of batch) answerAll([one]).catch(one.reject);
  }
};

/** PostgreSQL said no, so nothing was committed. Class 57 is its own end, which may come right after a commit. */
const isRefusal = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && error.code !== undefined && !error.code.startsWith('57');

/**
 * For the start of a statement over several items: how long it waits for the lock of a row, which someone may
 * hold for long. Alone, an item waits as long as the server lets it.
 */
export const batchLockTimeout = (items: readonly unknown[]): string | null =>
  items.length > 1 ? '1s' : null;
