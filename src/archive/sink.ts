import { setImmediate } from 'node:timers/promises';
import { isStorableText } from '../shared/storable-text.ts';
import { duenessOf, monthOf } from './due.ts';
import { type Item, itemHash, textOf } from './item.ts';
import { knownVersions } from './receipt-rows.ts';
import { rowOf, UnfitItemError } from './row.ts';
import { openStage, type Stage, type StagedOrder, type Stager, stagedOrder } from './staging.ts';
import type { RunRoom } from './windows.ts';

/** Orders whose very version is archived already and that are in the table again: only their removal is done again. */
export type Again = ReadonlyMap<string, number[]>;

type Window = {
  readonly areaId: string;
  readonly month: Date;
  readonly ready: Stage[];
  open: Stager;
};

/** What was staged together, to be archived together. */
export type Round = {
  /** The stages of each window, oldest first. */
  readonly windows: readonly Stage[][];
  readonly again: Again;
};

export type Sink = {
  readonly take: (items: readonly Item[]) => Promise<void>;
  /** Orders staged since the run began. */
  readonly due: () => number;
  /** Orders staged since the round began. */
  readonly staged: () => number;
  readonly isFull: () => boolean;
  /**
   * Ends the round; what comes later begins the next one. To be called when the round before is archived: of orders
   * that are read twice the database then knows those of all rounds but the last two, which the sink knows.
   */
  readonly takeRound: () => Round;
};

/** An order that is due: with its line right away, since a text in one piece is all that is then kept of its item. */
type Candidate = {
  readonly areaId: string;
  readonly month: Date;
  readonly staged: StagedOrder;
};

const candidateOf = (item: Item, hash: string): Candidate | UnfitItemError => {
  try {
    const row = rowOf(item);
    return { areaId: row.area_id, month: monthOf(row.data_criacao).from, staged: stagedOrder(row, hash) };
  } catch (error) {
    if (error instanceof UnfitItemError) return error;
    throw error;
  }
};

/** Takes what was selected: counts it, leaves out what is not due, and stages the rest by area and month of creation. */
export const openSink = (room: RunRoom, cutoff: (areaId: string) => Date, folder: string): Sink => {
  const { deps, counts, knownNames, run } = room;
  const { batchOrders, batchBytes, roundOrders, roundBytes } = deps.limits;
  const notice = (message: string): void => deps.report?.notice?.(message);
  let windows = new Map<string, Window>();
  let again = new Map<string, number[]>();
  let ids = new Set<string>();
  let idsBefore = new Set<string>();
  let [orders, bytes, due, part] = [0, 0, 0, 0];

  const windowOf = (areaId: string, month: Date): Window => {
    const key = `${areaId}\n${month.toISOString()}`;
    const found = windows.get(key);
    if (found) return found;
    const made = {
      areaId,
      month,
      ready: [],
      open: openStage(folder, areaId, month, part++),
    };
    windows.set(key, made);
    return made;
  };

  const stage = ({ areaId, month, staged }: Candidate): void => {
    const window = windowOf(areaId, month);
    const before = window.open.bytes();
    window.open.add(staged);
    bytes += window.open.bytes() - before;
    orders++;
    due++;
    if (window.open.orders() < batchOrders && window.open.bytes() < batchBytes) return;
    window.ready.push(window.open.close());
    window.open = openStage(folder, areaId, month, part++);
  };

  const isDue = (item: Item): boolean => {
    for (const name of Object.keys(item)) knownNames.add(name);
    const id = textOf(item.ordem_id) ?? '';
    const dueness = isStorableText(id) ? duenessOf(item, cutoff(textOf(item.area_id) ?? '')) : 'unfit';
    if (dueness !== 'due') counts[dueness]++;
    if (dueness === 'unfit')
      notice(`order ${JSON.stringify(id)} stays: its id, status or data_atualizacao cannot be read`);
    return dueness === 'due';
  };

  const take = async (items: readonly Item[]): Promise<void> => {
    counts.read += items.length;
    const candidates = items.filter(isDue).map((item) => ({ item, id: textOf(item.ordem_id) ?? '' }));
    if (candidates.length === 0) return;
    // Asked first, and awaited after the hashes and rows are made: the database works meanwhile.
    const asked = knownVersions(
      deps.pool,
      candidates.map(({ id }) => id),
    );
    asked.catch(() => {});
    // The pool gives its connection in a later turn: without this one the questions would wait for the hashes.
    await setImmediate();
    const ready = candidates.map(({ item, id }) => {
      const hash = itemHash(item);
      return { id, hash, candidate: candidateOf(item, hash) };
    });
    const known = await asked;
    for (const { id, hash, candidate } of ready) {
      // A page that was read twice, or an order that moved while it was read: the first one counts. Its archiving may be
      // under way, so that what the database says of it is old already.
      if (ids.has(id) || idsBefore.has(id)) continue;
      if ((known.keptUntil.get(id) ?? run.at) > run.at) {
        counts.restored++;
        continue;
      }
      const version = known.versions.get(id)?.find((each) => each.hash === hash);
      if (version) {
        if (version.outcome === 'pending' || version.outcome === 'removing') counts.waiting++;
        else if (version.outcome === 'unprovable') counts.unprovable++;
        else {
          ids.add(id);
          again.set(version.batchId, [...(again.get(version.batchId) ?? []), version.position]);
        }
      } else if (candidate instanceof UnfitItemError) {
        counts.unfit++;
        notice(`order ${id} stays: ${candidate.message}`);
      } else {
        ids.add(id);
        stage(candidate);
      }
    }
  };

  const takeRound = (): Round => {
    const taken = [...windows.values()]
      .sort(
        (one, other) => one.month.getTime() - other.month.getTime() || (one.areaId < other.areaId ? -1 : 1),
      )
      .map(({ open, ready }) => [...ready, open.close()].filter((each) => each.orders.ids.length > 0));
    const round = { windows: taken, again };
    [windows, again] = [new Map(), new Map()];
    [idsBefore, ids] = [ids, new Set()];
    [orders, bytes] = [0, 0];
    return round;
  };

  return {
    take,
    due: () => due,
    staged: () => orders,
    isFull: () => orders >= roundOrders || bytes >= roundBytes,
    takeRound,
  };
};
