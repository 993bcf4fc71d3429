import { randomInt } from 'node:crypto';

/**
 * The keys of a document's objects. `add` answers false for a key that its object has already, compared after
 * escapes are resolved. Objects are told apart by `owner`, a number of the caller's.
 */
export type KeyTable = {
  /** The key is `bytes[start, end)`, without its quotes; `bytes` must stay as they are until `clear`. */
  readonly add: (bytes: Uint8Array, start: number, end: number, owner: number) => boolean;
  readonly clear: () => void;
};

const backslash = 0x5c;

/** More steps than this for one key are not chance: somebody chose keys whose hashes collide. */
const mostProbes = 64;

type Slots = {
  readonly slots: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly owners: Uint32Array;
};

const newSlots = (size: number): Slots => ({
  slots: new Int32Array(size),
  starts: new Int32Array(size),
  ends: new Int32Array(size),
  owners: new Uint32Array(size),
});

/**
 * An open-addressed table over (owner, hash of the key's bytes) costs one comparison a key, whatever an object's
 * size. Where bytes cannot tell (escapes) or the table degrades (chosen collisions), the document goes over to a
 * set of strings, whose hash V8 seeds.
 */
export const createKeyTable = (initialSize = 1 << 12): KeyTable => {
  const seed = randomInt(1, 0x7fffffff);
  let size = initialSize;
  let table = newSlots(size);
  // Entries count on from document to document, so that nothing need be cleared: slots with `first` or less are empty.
  let first = 0;
  let last = 0;
  let texts: Set<string> | undefined;

  const clear = (): void => {
    texts = undefined;
    first = last;
    if (last < size / 2) return;
    table.slots.fill(0);
    first = 0;
    last = 0;
  };

  const same = (bytes: Uint8Array, entry: number, start: number, end: number): boolean => {
    let other = table.starts[entry] as number;
    if ((table.ends[entry] as number) - other !== end - start) return false;
    for (let at = start; at < end; at++) if (bytes[at] !== bytes[other++]) return false;
    return true;
  };

  const insert = (
    bytes: Uint8Array,
    start: number,
    end: number,
    owner: number,
  ): 'new' | 'there' | 'unsure' => {
    const { slots, starts, ends, owners } = table;
    let hash = seed ^ Math.imul(owner, 0x9e3779b1);
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === backslash) return 'unsure';
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    let slot = (hash ^ (hash >>> 15)) & (size - 1);
    for (let probes = 0; probes < mostProbes; probes++) {
      const entry = slots[slot] as number;
      if (entry <= first) {
        slots[slot] = ++last;
        starts[last] = start;
        ends[last] = end;
        owners[last] = owner;
        return 'new';
      }
      if (owners[entry] === owner && same(bytes, entry, start, end)) return 'there';
      slot = (slot + 1) & (size - 1);
    }
    return 'unsure';
  };

  const textOf = (bytes: Uint8Array, start: number, end: number, owner: number): string => {
    const quoted = Buffer.from(bytes.buffer, bytes.byteOffset + start - 1, end - start + 2).toString('utf8');
    return `${owner}:${JSON.parse(quoted) as string}`;
  };

  const allTexts = (bytes: Uint8Array, { starts, ends, owners }: Slots, from: number, to: number) => {
    const found = new Set<string>();
    for (let entry = from; entry <= to; entry++) {
      found.add(textOf(bytes, starts[entry] as number, ends[entry] as number, owners[entry] as number));
    }
    return found;
  };

  const grow = (bytes: Uint8Array): void => {
    const old = table;
    const [from, to] = [first + 1, last];
    size *= 4;
    table = newSlots(size);
    first = 0;
    last = 0;
    for (let entry = from; entry <= to; entry++) {
      const [start, end] = [old.starts[entry] as number, old.ends[entry] as number];
      if (insert(bytes, start, end, old.owners[entry] as number) === 'new') continue;
      texts = allTexts(bytes, old, from, to);
      return;
    }
  };

  const add = (bytes: Uint8Array, start: number, end: number, owner: number): boolean => {
    // A full table ends every document's free room; half of it keeps the probes short.
    if (!texts && last > size / 2 + (size >> 3)) grow(bytes);
    if (!texts) {
      const outcome = insert(bytes, start, end, owner);
      if (outcome !== 'unsure') return outcome === 'new';
      texts = allTexts(bytes, table, first + 1, last);
    }
    const text = textOf(bytes, start, end, owner);
    if (texts.has(text)) return false;
    texts.add(text);
    return true;
  };

  return { add, clear };
};
