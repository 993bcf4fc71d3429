import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const random = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
};

const words = [
  'limite',
  'contrato',
  'aditivo',
  'garantia',
  'São Paulo',
  'assinatura',
  'parcela',
  'código',
  'conta',
];

/** One event of 0.5 to 3 KB: nested, and of a shape that drifts (fields that come and go, numbers that become text). */
const event = (index: number, next: () => number): string => {
  const pick = (): string => words[Math.floor(next() * words.length)] ?? '';
  const items = Array.from({ length: 2 + Math.floor(next() * 14) }, () => ({
    sku: `S${Math.floor(next() * 1e6)}`,
    quantity: 1 + Math.floor(next() * 9),
    price: index % 11 === 0 ? (next() * 1000).toFixed(2) : Math.round(next() * 100_000) / 100,
    note: Array.from({ length: Math.floor(next() * 8) }, pick).join(' '),
    tags: [pick(), pick(), String(Math.floor(next() * 1e9))],
  }));
  return JSON.stringify({
    id: `evt-${index}`,
    type: ['order.created', 'order.signed', 'order.failed'][index % 3],
    at: new Date(Date.UTC(2026, 10, 21) + index * 1_200).toISOString(),
    customer: {
      id: Math.floor(next() * 1e12),
      name: `${pick()} ${pick()}`,
      address: {
        street: `Rua ${pick()} ${Math.floor(next() * 1e4)}`,
        city: pick(),
        zip: String(Math.floor(next() * 1e8)),
      },
    },
    items,
    sequence: index % 13 === 0 ? String(index) : index,
    ...(index % 7 === 0 ? { extra: { reason: pick(), score: next() } } : {}),
    ...(index % 17 === 0 ? { audit: [{ by: pick(), at: index }, null, true] } : {}),
    details: Array.from({ length: 6 + Math.floor(next() * 60) }, pick).join(' '),
  });
};

/**
 * `count` files as Kafka Connect drops them, in hourly folders, the same for every call. Answers the folder. Made once:
 * the folder gets its name when it is complete.
 */
export const smallFiles = (parent: string, count: number): string => {
  const folder = join(parent, `consolidate-${count}`);
  if (existsSync(folder)) return folder;
  const making = `${folder}.making`;
  rmSync(making, { recursive: true, force: true });
  const next = random(count);
  const made = new Set<string>();
  for (let index = 0; index < count; index++) {
    const hour = String(Math.floor((index * 24) / count)).padStart(2, '0');
    const at = join(making, 'topics/orders/year=2026/month=11/day=21', `hour=${hour}`);
    if (!made.has(at)) mkdirSync(at, { recursive: true });
    made.add(at);
    const offset = String(Math.floor(index / 6)).padStart(10, '0');
    writeFileSync(join(at, `orders+${index % 6}+${offset}.json`), event(index, next));
  }
  renameSync(making, folder);
  return folder;
};
