import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ListedFolder, openListedFolder } from './listed-folder.ts';
import { findGaps, findOverlaps, mergeRanges, type OffsetRange, openRanges } from './offsets.ts';
import { enumerate, openPlanner, type PlanOptions, type TakenObjects } from './plan.ts';

const options: PlanOptions = {
  split: { topic: false, kafkaPartition: false },
  batchBytes: 100,
  batchFiles: 1_000,
};

const folder = (path: string, files: Record<string, number>): ListedFolder => {
  const listed = openListedFolder(path);
  for (const [name, size] of Object.entries(files))
    listed.add({ name, size, modified: 1_000, etag: `v-${name}` });
  return listed.folder();
};

const none: ReadonlyMap<string, TakenObjects> = new Map();

const planConsolidation = (listing: ListedFolder[], taken: typeof none, given: PlanOptions) => {
  const planner = openPlanner(given);
  for (const each of listing) planner.add(each, taken.get(each.path));
  const plan = planner.plan();
  return {
    ...plan,
    batches: plan.batches.map((batch) => ({
      ...batch,
      files: [...enumerate(batch.files)].map(([, file]) => file),
    })),
  };
};

describe('plan', () => {
  it('cuts batches by bytes and by files, in order of topic, partition and offset', () => {
    const listing = [
      folder('b/', { 't+1+0000000000.json': 60, 't+0+0000000010.json': 60 }),
      folder('a/', { 't+0+0000000002.json': 30, 'x.txt': 1, 'free.json': 10, 'huge.json': 500 }),
    ];
    const plan = planConsolidation(listing, none, options);
    expect(plan.batches.map(({ files }) => files.map(({ name }) => name))).toEqual([
      ['free.json'],
      ['huge.json'],
      ['t+0+0000000002.json', 't+0+0000000010.json'],
      ['t+1+0000000000.json'],
    ]);
    expect(plan).toMatchObject({ files: 5, bytes: 660, ignored: 1, skipped: 0 });
    expect(plan.places).toHaveLength(2);
    expect(planConsolidation(listing, none, { ...options, batchFiles: 1 }).batches).toHaveLength(5);
  });

  it('never mixes topics or partitions that the table keeps apart', () => {
    const listing = [
      folder('', {
        'a+0+0000000000.json': 1,
        'b+0+0000000000.json': 1,
        'b+1+0000000000.json': 1,
        'c.json': 1,
      }),
    ];
    const split = { topic: true, kafkaPartition: true };
    expect(planConsolidation(listing, none, { ...options, split }).batches.map(({ group }) => group)).toEqual(
      [
        { topic: null, kafkaPartition: null },
        { topic: 'a', kafkaPartition: 0 },
        { topic: 'b', kafkaPartition: 0 },
        { topic: 'b', kafkaPartition: 1 },
      ],
    );
  });

  it('skips what was taken in this version, and hands on the hashes of other versions', () => {
    const listing = [folder('f/', { 'a.json': 1, 'b.json': 1 })];
    const taken = new Map([
      [
        'f/',
        new Map([
          ['a.json', { versions: ['v-a.json'], hashes: ['h'] }],
          ['b.json', { versions: ['older'], hashes: ['h2'] }],
        ]),
      ],
    ]);
    const plan = planConsolidation(listing, taken, options);
    expect(plan).toMatchObject({ skipped: 1, files: 1 });
    expect(plan.batches[0]?.files[0]).toMatchObject({ name: 'b.json', knownHashes: ['h2'] });
  });

  it('leaves small young leftovers for a later run', () => {
    const listing = [folder('', { 'a.json': 40 })];
    const wait = { bytes: 50, forMs: 500, now: new Date(1_200) };
    expect(planConsolidation(listing, none, { ...options, wait })).toMatchObject({ deferred: 1, files: 0 });
    const later = { ...wait, now: new Date(1_500) };
    expect(planConsolidation(listing, none, { ...options, wait: later })).toMatchObject({
      deferred: 0,
      files: 1,
    });
    expect(planConsolidation(listing, none, { ...options, wait: { ...wait, bytes: 40 } }).files).toBe(1);
  });

  it('plans each file once, whatever the limits', () => {
    const sizes = fc.array(fc.nat(150), { maxLength: 60 });
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 200 }),
        (list, batchFiles, batchBytes) => {
          const files = Object.fromEntries(list.map((size, index) => [`f${index}.json`, size]));
          const plan = planConsolidation([folder('', files)], none, { ...options, batchFiles, batchBytes });
          const names = plan.batches.flatMap((batch) => batch.files.map(({ name }) => name));
          expect(names.toSorted()).toEqual(Object.keys(files).toSorted());
          for (const batch of plan.batches) {
            expect(batch.files.length).toBeLessThanOrEqual(batchFiles);
            if (batch.files.length > 1) expect(batch.bytes).toBeLessThanOrEqual(batchBytes);
          }
        },
      ),
    );
  });
});

const range = fc
  .tuple(fc.nat(40), fc.nat(6))
  .map(([first, length]): OffsetRange => ({ first, last: first + length }));
const inRanges = (offset: number, ranges: readonly OffsetRange[]): boolean =>
  ranges.some(({ first, last }) => offset >= first && offset <= last);

describe('offsets', () => {
  it('finds exactly the offsets that occur twice, and exactly those that are missing', () => {
    fc.assert(
      fc.property(fc.array(range), fc.array(range), (fresh, known) => {
        const overlaps = findOverlaps(fresh, known);
        const all = [...fresh, ...known];
        const gaps = findGaps(all);
        const streamed = openRanges();
        for (const { first, last } of fresh.toSorted((a, b) => a.first - b.first)) streamed.add(first, last);
        const firstKnown = Math.min(...all.map(({ first }) => first));
        const lastKnown = Math.max(...all.map(({ last }) => last));
        for (let offset = 0; offset < 50; offset++) {
          const times =
            fresh.filter((each) => inRanges(offset, [each])).length + (inRanges(offset, known) ? 1 : 0);
          expect(inRanges(offset, overlaps)).toBe(times > 1);
          const inside = offset > firstKnown && offset < lastKnown;
          expect(inRanges(offset, gaps)).toBe(inside && !inRanges(offset, all));
          expect(inRanges(offset, mergeRanges(all))).toBe(inRanges(offset, all));
          expect(inRanges(offset, streamed.merged())).toBe(inRanges(offset, fresh));
          const inFresh = fresh.filter((each) => inRanges(offset, [each])).length;
          expect(inRanges(offset, streamed.repeated())).toBe(inFresh > 1);
        }
      }),
    );
  });
});
