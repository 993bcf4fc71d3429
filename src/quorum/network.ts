import type { Counts } from './classes.ts';

/** Bounded work counts looks at an edge of a network; never time, so that every machine gives the same answer. */
export type Steps = { left: number };

/**
 * Which classes fill which requirements (slots) of one alternative, as a flow network with its own scratch
 * space. Classes that exclude one another share a node: at most one of them can be in a set, so a node
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
  /** Edges of each node. */
  readonly nodeEdges: readonly (readonly number[])[];
  /** The classes that have an edge. */
  readonly classes: readonly number[];
  /** No class is in two slots, so that counting is enough. */
  readonly disjoint: boolean;
  readonly flow: Int32Array;
  readonly used: Int32Array;
  readonly capacity: Int32Array;
  readonly queue: Int32Array;
  readonly cameBy: Int32Array;
  readonly tookFrom: Int32Array;
  readonly seenNode: Uint8Array;
};

export type ClassSlot = { readonly need: number; readonly classes: readonly number[] };

export const newNetwork = (
  classes: number,
  slots: readonly ClassSlot[],
  conflicts: ReadonlyMap<number, readonly number[]> | undefined,
  distinct: boolean,
): Network => {
  const nodeOf = cliques(classes, conflicts);
  const nodes = nodeOf.reduce((most, node) => Math.max(most, node + 1), 0);
  const degree = (own: number): number => conflicts?.get(own)?.length ?? 0;
  const start = new Int32Array(slots.length + 1);
  const edgeClass: number[] = [];
  const edgeSlot: number[] = [];
  const nodeEdges: number[][] = Array.from({ length: nodes }, () => []);
  slots.forEach((slot, index) => {
    // People with few conflicts first: the first flow found then often has no pair in it.
    const sorted = [...slot.classes].sort((a, b) => degree(a) - degree(b) || a - b);
    for (const own of sorted) {
      nodeEdges[nodeOf[own] ?? 0]?.push(edgeClass.length);
      edgeClass.push(own);
      edgeSlot.push(index);
    }
    start[index + 1] = edgeClass.length;
  });
  return {
    need: Int32Array.from(slots, ({ need }) => need),
    total: slots.reduce((sum, { need }) => sum + need, 0),
    distinct,
    start,
    edgeClass: Int32Array.from(edgeClass),
    edgeSlot: Int32Array.from(edgeSlot),
    nodeOf,
    nodeEdges,
    classes: [...new Set(edgeClass)].sort((a, b) => a - b),
    disjoint: nodeEdges.every((edges) => new Set(edges.map((edge) => edgeSlot[edge])).size <= 1),
    flow: new Int32Array(edgeClass.length),
    used: new Int32Array(nodes),
    capacity: new Int32Array(nodes),
    queue: new Int32Array(slots.length),
    cameBy: new Int32Array(slots.length),
    tookFrom: new Int32Array(slots.length),
    seenNode: new Uint8Array(nodes),
  };
};

/** A partition into sets of classes that all exclude one another, found greedily, most conflicts first. */
const cliques = (
  classes: number,
  conflicts: ReadonlyMap<number, readonly number[]> | undefined,
): Int32Array => {
  const nodeOf = Int32Array.from({ length: classes }, (_, own) => own);
  if (!conflicts) return nodeOf;
  const sets = new Map([...conflicts].map(([own, others]) => [own, new Set(others)]));
  const byDegree = [...conflicts.keys()].sort(
    (a, b) => (sets.get(b)?.size ?? 0) - (sets.get(a)?.size ?? 0) || a - b,
  );
  const members = new Map<number, number[]>();
  for (const own of byDegree) {
    const others = sets.get(own) ?? new Set();
    const candidates = new Set(
      [...others].filter((other) => members.has(nodeOf[other] ?? -1)).map((other) => nodeOf[other] ?? -1),
    );
    let joined = false;
    for (const node of [...candidates].sort((a, b) => a - b)) {
      const clique = members.get(node);
      if (!clique?.every((member) => others.has(member))) continue;
      clique.push(own);
      nodeOf[own] = node;
      joined = true;
      break;
    }
    if (!joined) members.set(own, [own]);
  }
  return nodeOf;
};

/** Whether the people of `counts` could fill every slot, if a node's classes were one. Exact without pairs. */
export const canFill = (network: Network, counts: Counts, steps: Steps): boolean => {
  const { need, distinct, disjoint } = network;
  setCapacity(network, counts, steps);
  if (!distinct || disjoint) {
    for (let slot = 0; slot < need.length; slot++) {
      if (countSlot(network, counts, slot, steps) < (need[slot] ?? 0)) return false;
    }
    return true;
  }
  clearFlow(network);
  for (let slot = 0; slot < need.length; slot++) {
    let open = (need[slot] ?? 0) - takeSpare(network, counts, slot, need[slot] ?? 0, steps);
    for (; open > 0; open--) if (!augment(network, counts, slot, steps)) return false;
  }
  return true;
};

/** How many places the people of `counts` can fill at once; distinct alternatives only. */
export const countFilled = (network: Network, counts: Counts, steps: Steps): number => {
  const { need, disjoint } = network;
  setCapacity(network, counts, steps);
  let filled = 0;
  if (disjoint) {
    for (let slot = 0; slot < need.length; slot++) {
      filled += Math.min(need[slot] ?? 0, countSlot(network, counts, slot, steps));
    }
    return filled;
  }
  clearFlow(network);
  for (let slot = 0; slot < need.length; slot++) {
    let open = (need[slot] ?? 0) - takeSpare(network, counts, slot, need[slot] ?? 0, steps);
    while (open > 0 && augment(network, counts, slot, steps)) open -= 1;
    filled += (need[slot] ?? 0) - open;
  }
  return filled;
};

/** How many of each class filled a slot in the last `canFill` of a distinct alternative that was true. */
export const filledBy = (network: Network, classes: number): Counts => {
  const taken = new Int32Array(classes);
  for (let edge = 0; edge < network.flow.length; edge++) {
    const own = network.edgeClass[edge] ?? 0;
    taken[own] = (taken[own] ?? 0) + (network.flow[edge] ?? 0);
  }
  return taken;
};

/**
 * The fewest people whose absence leaves some slot unfilled, given that `counts` fill all: for each slot, how
 * many more places it could have. By Hall's condition the tightest set of slots shows in one of them.
 */
export const fewestToBreak = (network: Network, counts: Counts, steps: Steps): number => {
  const { need, distinct, disjoint } = network;
  let fewest = Number.POSITIVE_INFINITY;
  if (!distinct || disjoint) {
    setCapacity(network, counts, steps);
    for (let slot = 0; slot < need.length; slot++) {
      fewest = Math.min(fewest, countSlot(network, counts, slot, steps) - (need[slot] ?? 0) + 1);
    }
    return fewest;
  }
  if (!canFill(network, counts, steps)) return 0;
  const { flow, used } = network;
  const [keptFlow, keptUsed] = [flow.slice(), used.slice()];
  for (let slot = 0; slot < need.length; slot++) {
    let spare = takeSpare(network, counts, slot, fewest, steps);
    while (spare + 1 < fewest && augment(network, counts, slot, steps)) spare += 1;
    fewest = Math.min(fewest, spare + 1);
    flow.set(keptFlow);
    used.set(keptUsed);
  }
  return fewest;
};

const setCapacity = ({ classes, nodeOf, capacity }: Network, counts: Counts, steps: Steps): void => {
  steps.left -= classes.length;
  for (const own of classes) capacity[nodeOf[own] ?? 0] = 0;
  for (const own of classes) {
    const node = nodeOf[own] ?? 0;
    capacity[node] = Math.max(capacity[node] ?? 0, counts[own] ?? 0);
  }
};

const clearFlow = ({ flow, used }: Network): void => {
  flow.fill(0);
  used.fill(0);
};

/** How many people a slot has on its own; of classes that exclude one another only the largest. */
const countSlot = (network: Network, counts: Counts, slot: number, steps: Steps): number => {
  const { start, edgeClass, nodeOf, used } = network;
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
const takeSpare = (network: Network, counts: Counts, slot: number, most: number, steps: Steps): number => {
  const { start, edgeClass, nodeOf, used, capacity, flow } = network;
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

/** One more place of a slot, by a shortest chain of slots that pass a person on; false when there is none. */
const augment = (network: Network, counts: Counts, slot: number, steps: Steps): boolean => {
  const { start, edgeClass, edgeSlot, nodeOf, nodeEdges, used, capacity, flow } = network;
  const { queue, cameBy, tookFrom, seenNode } = network;
  seenNode.fill(0);
  cameBy.fill(-1);
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
      for (const held of nodeEdges[node] ?? []) {
        steps.left -= 1;
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
const passOn = (
  { flow, cameBy, tookFrom, edgeSlot }: Network,
  first: number,
  last: number,
  edge: number,
): void => {
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
