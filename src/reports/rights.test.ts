import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReportViewer } from './contract.ts';
import { mayHave, type Right, viewerOf, withoutWithdrawn } from './rights.ts';

const set = (...items: string[]) => new Set(items);

describe('what a token lets its bearer see', () => {
  it.each([
    ['an area', set('CRD01'), set(), ['CRD01'], 'all'],
    ['a client of the bank', set(), set('12ABC34501DE35'), 'all', ['12ABC34501DE35']],
    ['both', set('CRD01'), set('12ABC34501DE35'), ['CRD01'], ['12ABC34501DE35']],
    ['every area', set('*'), set(), 'all', 'all'],
    ['nothing at all', set(), set(), [], 'all'],
  ])('that names %s', (_, areas, clients, seenAreas, seenClients) => {
    expect(viewerOf({ areas, clients, scopes: set('reports:read') }, false)).toEqual({
      areas: seenAreas,
      clients: seenClients,
      unmasked: false,
      scopes: ['reports:read'],
    });
  });

  it('is masked unless it is asked for and allowed', () => {
    const of = (scope: string, asked: boolean) =>
      viewerOf({ areas: set('CRD01'), clients: set(), scopes: set(scope) }, asked).unmasked;
    expect([of('reports:unmasked', true), of('reports:unmasked', false), of('reports:read', true)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(of('admin', true)).toBe(true);
  });
});

// What a viewer sees of orders that have an area and a client each: the meaning that the rules must agree with.
const areas = ['A', 'B', 'C'];
const clients = ['x', 'y', 'z'];
const held = (among: string[]) => fc.oneof(fc.constant('all' as const), fc.subarray(among, { minLength: 0 }));
const viewers: fc.Arbitrary<ReportViewer> = fc.record({
  areas: held(areas),
  clients: held(clients),
  unmasked: fc.boolean(),
  scopes: fc.constant(['reports:read', 'reports:unmasked']),
});
const has = (some: readonly string[] | 'all', value: string) => some === 'all' || some.includes(value);
const seen = (viewer: ReportViewer | null) =>
  areas.flatMap((area) =>
    clients.flatMap((client) =>
      (viewer && has(viewer.areas, area) && has(viewer.clients, client) ? [false, true] : [])
        .filter((unmasked) => !unmasked || viewer?.unmasked)
        .map((unmasked) => `${area} ${client} ${unmasked}`),
    ),
  );

describe('withdrawn rights', () => {
  const rights: fc.Arbitrary<Right> = fc.oneof(
    fc.record({ type: fc.constant('area' as const), value: fc.constantFrom(...areas) }),
    fc.record({ type: fc.constant('client' as const), value: fc.constantFrom(...clients) }),
    fc.constant<Right>({ type: 'scope', value: 'reports:unmasked' }),
  );

  it('never let anyone see more, and nothing of what was withdrawn', () => {
    fc.assert(
      fc.property(viewers, fc.array(rights, { maxLength: 4 }), (viewer, taken) => {
        const left = withoutWithdrawn(
          viewer,
          taken.map((right) => ({ right })),
        );
        const before = new Set(seen(viewer));
        const gone = (order: string) =>
          taken.some(({ type, value }) => {
            const [area, client, unmasked] = order.split(' ');
            return type === 'area'
              ? area === value
              : type === 'client'
                ? client === value
                : unmasked === 'true';
          });
        for (const order of seen(left)) {
          expect(before).toContain(order);
          expect(gone(order)).toBe(false);
        }
      }),
    );
  });

  it('of everything leave nothing', () => {
    fc.assert(
      fc.property(viewers, (viewer) => {
        expect(withoutWithdrawn(viewer, [{ right: null }])).toBeNull();
      }),
    );
  });
});

describe('a file that was made with other rights', () => {
  it('is only for those who may see all that is in it', () => {
    fc.assert(
      fc.property(viewers, viewers, (now, used) => {
        const mine = new Set(seen(now));
        if (mayHave(now, used)) for (const order of seen(used)) expect(mine).toContain(order);
      }),
    );
    fc.assert(
      fc.property(viewers, (viewer) => {
        expect(mayHave(viewer, viewer)).toBe(true);
      }),
    );
  });
});
