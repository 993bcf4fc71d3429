import type { Conflicts, Counts } from './classes.ts';

/** Bounded work counts looks at an edge of a network; never time, so that every machine gives the same answer. */
export type Steps = { left: number };

/**
 * Which classes fill which requirements (slots) of one alternative, as a flow network. Classes that exclude one another share a node: at most one of them can be in a set, so a node
 * carries the people of its largest class. That bound is what makes many hard cases provable.
 */
export type Network = {
  readonly need: Int32Array;
  readonly total: number;
  readonly distinct: boolean;
  /** Edges of slot `s` are those from `start[s]` to `start[s + 1]`, each to a class. */
  readonly start: Int32Array;
  readonly edgeClass: Int32Array;
  readonly edgeSlot: Int32Array;
  readonly nodeOf: Int32Array;
  /** Edges of node `n` are `nodeEdges` from `nodeStart[n]` to `nodeStart[n + 1]`. */
  readonly nodeStart: Int32Array;
  readonly nodeEdges: Int32Array;
  /** Every class has a node of its own, so that the counts are the capacities. */
  readonly isExact: boolean;
  /** The classes that have an edge. */
  readonly classes: readonly number[];
  /** No class is in two slots, so that counting is enough. */
  readonly disjoint: boolean;
  readonly scratch: Scratch;
};

/**
 * What a flow is worked out in. The networks of many alternatives share one, which would else be most of their
 * memory: a flow holds until the next one is asked for, of whichever alternative.
 */
export type Scratch = {
  flow: Int32Array;
  used: Int32Array;
  capacity: Counts;
  queue: Int32Array;
  cameBy: Int32Array;
  tookFrom: Int32Array;
  seenNode: Uint8Array;
  /** By class, its own number: the nodes of a network without pairs. */
  readonly apart: Int32Array;
};

const eachApart = (classes: number): Int32Array => Int32Array.from({ length: classes }, (_, own) => own);

export const newScratch = (classes: number): Scratch => ({
  flow: new Int32Array(0),
  used: new Int32Array(classes),
  capacity: new Array(classes).fill(0),
  queue: new Int32Array(0),
  cameBy: new Int32Array(0),
  tookFrom: new Int32Array(0),
  seenNode: new Uint8Array(classes),
  apart: eachApart(classes),
});

const makeRoom = (scratch: Scratch, edges: number, slots: number): void => {
  if (scratch.flow.length < edges) scratch.flow = new Int32Array(edges);
  if (scratch.queue.length >= slots) return;
  scratch.queue = new Int32Array(slots);
  scratch.cameBy = new Int32Array(slots);
  scratch.tookFrom = new Int32Array(slots);
};

export type ClassSlot = { readonly need: number; readonly classes: readonly number[] };

export const newNetwork = (
  classes: number,
  slots: readonly ClassSlot[],
  conflicts: Conflicts | undefined,
  distinct: boolean,
  scratch: Scratch,
): Network => {
  const nodeOf = conflicts ? cliques(classes, conflicts) : scratch.apart;
  const edges = slots.reduce((sum, slot) => sum + slot.classes.length, 0);
  const start = new Int32Array(slots.length + 1);
  const edgeClass = new Int32Array(edges);
  const edgeSlot = new Int32Array(edges);
  let edge = 0;
  slots.forEach((slot, index) => {
    // People with few conflicts first: the first flow found then often has no pair in it.
    const degree = (own: number): number => conflicts?.[own]?.length ?? 0;
    const ordered = [...slot.classes].sort((a, b) => degree(a) - degree(b) || a - b);
    for (const own of ordered) {
      edgeClass[edge] = own;
      edgeSlot[edge] = index;
      edge += 1;
    }
    start[index + 1] = edge;
  });
  const { nodeStart, nodeEdges } = edgesByNode(classes, edgeClass, nodeOf);
  makeRoom(scratch, edges, slots.length);
  return {
    need: Int32Array.from(slots.map(({ need }) => need)),
    total: slots.reduce((sum, { need }) => sum + need, 0),
    distinct,
    start,
    edgeClass,
    edgeSlot,
    nodeOf,
    nodeStart,
    nodeEdges,
    isExact: conflicts === undefined,
    classes: [...new Set(edgeClass)].sort((a, b) => a - b),
    disjoint: isDisjoint(edgeSlot, nodeStart, nodeEdges),
    scratch,
  };
};

const edgesByNode = (
  nodes: number,
  edgeClass: Int32Array,
  nodeOf: Int32Array,
): { nodeStart: Int32Array; nodeEdges: Int32Array } => {
  const nodeStart = new Int32Array(nodes + 1);
  const nodeAt = (edge: number): number => nodeOf[edgeClass[edge] ?? 0] ?? 0;
  for (let edge = 0; edge < edgeClass.length; edge++) {
    const after = nodeAt(edge) + 1;
    nodeStart[after] = (nodeStart[after] ?? 0) + 1;
  }
  for (let node = 0; node < nodes; node++) {
    nodeStart[node + 1] = (nodeStart[node + 1] ?? 0) + (nodeStart[node] ?? 0);
  }
  const next = nodeStart.slice();
  const nodeEdges = new Int32Array(edgeClass.length);
  for (let edge = 0; edge < edgeClass.length; edge++) {
    const node = nodeAt(edge);
    const at = next[node] ?? 0;
    nodeEdges[at] = edge;
    next[node] = at + 1;
  }
  return { nodeStart, nodeEdges };
};

const isDisjoint = (edgeSlot: Int32Array, nodeStart: Int32Array, nodeEdges: Int32Array): boolean => {
  for (let node = 0; node + 1 < nodeStart.length; node++) {
    const [from, to] = [nodeStart[node] ?? 0, nodeStart[node + 1] ?? 0];
    const slot = edgeSlot[nodeEdges[from] ?? 0];
    for (let at = from + 1; at < to; at++) if (edgeSlot[nodeEdges[at] ?? 0] !== slot) return false;
  }
  return true;
};

/** A partition into sets of classes that all exclude one another, found greedily, most conflicts first. */
const cliques = (classes: number, conflicts: Conflicts): Int32Array => {
  const nodeOf = eachApart(classes);
  const degree = (own: number): number => conflicts[own]?.length ?? 0;
  const byDegree = [...nodeOf].filter((own) => degree(own) > 0);
  byDegree.sort((a, b) => degree(b) - degree(a) || a - b);
  const size = new Int32Array(classes);
  const linked = new Int32Array(classes);
  for (const own of byDegree) {
    // A clique can take the class in when as many of its neighbours are in that clique as the clique has.
    linked.fill(0);
    let joined = own;
    const others: readonly number[] = conflicts[own] ?? [];
    for (const other of others) {
      const clique: number = nodeOf[other] ?? 0;
      linked[clique] = (linked[clique] ?? 0) + 1;
      const isLarger = (size[clique] ?? 0) > (size[joined] ?? 0);
      if (isLarger && linked[clique] === size[clique]) joined = clique;
    }
    nodeOf[own] = joined;
    size[joined] = (size[joined] ?? 0) + 1;
  }
  return nodeOf;
};

/** Whether the people of `counts` could fill every slot, if a node's classes were one. Exact without pairs. */
export const canFill = (network: Network, counts: Counts, steps: Steps): boolean => {
  const { need, distinct, disjoint } = network;
  const capacity = capacities(network, counts, steps);
  if (!distinct || disjoint) {
    for (let slot = 0; slot < need.length; slot++) {
      if (countSlot(network, counts, slot, steps) < (need[slot] ?? 0)) return false;
    }
    return true;
  }
  clearFlow(network);
  for (let slot = 0; slot < need.length; slot++) {
    let open = (need[slot] ?? 0) - takeSpare(network, counts, capacity, slot, need[slot] ?? 0, steps);
    for (; open > 0; open--) if (!augment(network, counts, capacity, slot, steps)) return false;
  }
  return true;
};

/** How many places the people of `counts` can fill at once; distinct alternatives only. */
export const countFilled = (network: Network, counts: Counts, steps: Steps): number => {
  const { need, disjoint } = network;
  const capacity = capacities(network, counts, steps);
  let filled = 0;
  if (disjoint) {
    for (let slot = 0; slot < need.length; slot++) {
      filled += Math.min(need[slot] ?? 0, countSlot(network, counts, slot, steps));
    }
    return filled;
  }
  clearFlow(network);
  for (let slot = 0; slot < need.length; slot++) {
    let open = (need[slot] ?? 0) - takeSpare(network, counts, capacity, slot, need[slot] ?? 0, steps);
    while (open > 0 && augment(network, counts, capacity, slot, steps)) open -= 1;
    filled += (need[slot] ?? 0) - open;
  }
  return filled;
};

/** The most people that a single slot still needs: nobody can do with fewer more. */
export const mostMissing = ({ need, start, edgeClass }: Network, counts: Counts): number => {
  let most = 0;
  for (let slot = 0; slot < need.length; slot++) {
    let missing = need[slot] ?? 0;
    const to = start[slot + 1] ?? 0;
    for (let edge = start[slot] ?? 0; edge < to; edge++) missing -= counts[edgeClass[edge] ?? 0] ?? 0;
    most = Math.max(most, missing);
  }
  return most;
};

/** How many of each class filled a slot in the last `canFill` of a distinct alternative that was true. */
export const filledBy = ({ edgeClass, scratch }: Network, classes: number): Counts => {
  const taken: Counts = new Array(classes).fill(0);
  for (let edge = 0; edge < edgeClass.length; edge++) {
    const own = edgeClass[edge] ?? 0;
    taken[own] = (taken[own] ?? 0) + (scratch.flow[edge] ?? 0);
  }
  return taken;
};

/**
 * The fewest people whose absence leaves some slot unfilled, given that `counts` fill all: for each slot, how
 * many more places it could have. By Hall's condition the tightest set of slots shows in one of them. Undefined
 * when it would take more than the steps and the overdraft.
 */
export const fewestToBreak = (
  network: Network,
  counts: Counts,
  steps: Steps,
  overdraft: number,
): number | undefined => {
  const { need, distinct, disjoint } = network;
  let fewest = Number.POSITIVE_INFINITY;
  if (!distinct || disjoint) {
    for (let slot = 0; slot < need.length; slot++) {
      fewest = Math.min(fewest, countSlot(network, counts, slot, steps) - (need[slot] ?? 0) + 1);
    }
    return fewest;
  }
  if (!canFill(network, counts, steps)) return 0;
  const { flow, used } = network.scratch;
  const capacity = capacities(network, counts, steps);
  const edges = network.edgeClass.length;
  const [keptFlow, keptUsed] = [flow.slice(0, edges), used.slice()];
  for (let slot = 0; slot < need.length; slot++) {
    let spare = takeSpare(network, counts, capacity, slot, fewest, steps);
    while (spare + 1 < fewest && augment(network, counts, capacity, slot, steps)) spare += 1;
    if (steps.left < -overdraft) return undefined;
    fewest = Math.min(fewest, spare + 1);
    flow.set(keptFlow);
    used.set(keptUsed);
    steps.left -= edges + used.length;
  }
  return fewest;
};

/** How many people each node may give: its class's, or those of the largest of classes that exclude one another. */
const capacities = (network: Network, counts: Counts, steps: Steps): Counts => {
  const { classes, nodeOf, scratch, isExact } = network;
  const { capacity } = scratch;
  if (isExact) return counts;
  steps.left -= classes.length;
  for (const own of classes) capacity[nodeOf[own] ?? 0] = 0;
  for (const own of classes) {
    const node = nodeOf[own] ?? 0;
    capacity[node] = Math.max(capacity[node] ?? 0, counts[own] ?? 0);
  }
  return capacity;
};

const clearFlow = ({ edgeClass, scratch }: Network): void => {
  scratch.flow.fill(0, 0, edgeClass.length);
  scratch.used.fill(0);
};

/** How many people a slot has on its own; of classes that exclude one another only the largest. */
const countSlot = (network: Network, counts: Counts, slot: number, steps: Steps): number => {
  const { start, edgeClass, nodeOf, scratch } = network;
  const { used } = scratch;
  const [from, to] = [start[slot] ?? 0, start[slot + 1] ?? 0];
  steps.left -= to - from;
  let sum = 0;
  for (let edge = from; edge < to; edge++) used[nodeOf[edgeClass[edge] ?? 0] ?? 0] = 0;
  for (let edge = from; edge < to; edge++) {
    const own = edgeClass[edge] ?? 0;
    const node = nodeOf[own] ?? 0;
    const more = (counts[own] ?? 0) - (used[node] ?? 0);
    if (more <= 0) continue;
    sum += more;
    used[node] = (used[node] ?? 0) + more;
  }
  return sum;
};

/** Gives a slot up to `most` people whom no other slot holds, and answers how many. */
const takeSpare = (
  network: Network,
  counts: Counts,
  capacity: Counts,
  slot: number,
  most: number,
  steps: Steps,
): number => {
  const { start, edgeClass, nodeOf, scratch } = network;
  const { used, flow } = scratch;
  let taken = 0;
  const to = start[slot + 1] ?? 0;
  for (let edge = start[slot] ?? 0; edge < to && taken < most; edge++) {
    steps.left -= 1;
    const own = edgeClass[edge] ?? 0;
    if (counts[own] === 0) continue;
    const node = nodeOf[own] ?? 0;
    const spare = Math.min((capacity[node] ?? 0) - (used[node] ?? 0), most - taken);
    if (spare <= 0) continue;
    used[node] = (used[node] ?? 0) + spare;
    flow[edge] = (flow[edge] ?? 0) + spare;
    taken += spare;
  }
  return taken;
};

/** What a chain costs before its first edge. */
const AUGMENT = 20;

/** One more place of a slot, by a shortest chain of slots that pass a person on; false when there is none. */
const augment = (network: Network, counts: Counts, capacity: Counts, slot: number, steps: Steps): boolean => {
  const { start, edgeClass, edgeSlot, nodeOf, nodeStart, nodeEdges, need, scratch } = network;
  const { used, flow, queue, cameBy, tookFrom, seenNode } = scratch;
  seenNode.fill(0);
  cameBy.fill(-1, 0, need.length);
  steps.left -= AUGMENT;
  queue[0] = slot;
  let end = 1;
  for (let at = 0; at < end; at++) {
    const current = queue[at] ?? 0;
    const to = start[current + 1] ?? 0;
    for (let edge = start[current] ?? 0; edge < to; edge++) {
      steps.left -= 1;
      const own = edgeClass[edge] ?? 0;
      if (counts[own] === 0) continue;
      const node = nodeOf[own] ?? 0;
      if (seenNode[node] === 1) continue;
      seenNode[node] = 1;
      if ((used[node] ?? 0) < (capacity[node] ?? 0)) {
        used[node] = (used[node] ?? 0) + 1;
        passOn(network, slot, current, edge);
        return true;
      }
      const toHeld = nodeStart[node + 1] ?? 0;
      steps.left -= toHeld - (nodeStart[node] ?? 0);
      for (let atHeld = nodeStart[node] ?? 0; atHeld < toHeld; atHeld++) {
        const held = nodeEdges[atHeld] ?? 0;
        const holder = edgeSlot[held] ?? 0;
        if ((flow[held] ?? 0) === 0 || holder === slot || cameBy[holder] !== -1) continue;
        cameBy[holder] = edge;
        tookFrom[holder] = held;
        queue[end++] = holder;
      }
    }
  }
  return false;
};

/** Moves people along the chain: the last slot takes the spare one, and gives its own to the slot before. */
const passOn = ({ edgeSlot, scratch }: Network, first: number, last: number, edge: number): void => {
  const { flow, cameBy, tookFrom } = scratch;
  flow[edge] = (flow[edge] ?? 0) + 1;
  let slot = last;
  while (slot !== first) {
    const given = tookFrom[slot] ?? 0;
    const taken = cameBy[slot] ?? 0;
    flow[given] = (flow[given] ?? 0) - 1;
    flow[taken] = (flow[taken] ?? 0) + 1;
    slot = edgeSlot[taken] ?? 0;
  }
};
