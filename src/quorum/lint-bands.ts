import type { Rule } from './contract.ts';
import type { Finding, LintSubject } from './lint.ts';
import { actOf, describeRange, describeScope, isAbout, powersOf, scopesOf } from './lint-acts.ts';
import { isInside } from './rule-scope.ts';

type Band = { index: number; rule: Rule; min: number; max: number };

const scopeList = (scopes: readonly string[]): string => {
  const shown = scopes.slice(0, 3).join('; ');
  return scopes.length > 3 ? `${shown}; and ${scopes.length - 3} more scopes` : shown;
};

/**
 * Gaps and overlaps between the value bands of the permitting rules that are valid now, for each power,
 * channel and product apart. What is found for several channels or products is reported once.
 */
export const bandFindings = (subject: LintSubject): Finding[] => {
  const found = new Map<string, { scopes: string[]; make: (scopes: string) => Finding }>();
  const add = (key: string, scope: string, make: (scopes: string) => Finding): void => {
    const known = found.get(key) ?? { scopes: [], make };
    known.scopes.push(scope);
    found.set(key, known);
  };
  for (const power of powersOf(subject)) {
    const ofPower = subject.rules.filter((rule) => rule.power === power);
    for (const scope of scopesOf(subject, ofPower)) {
      const name = describeScope({ power, ...scope });
      const bands = bandsIn(subject, { power, ...scope });
      for (const gap of gapsOf(bands)) add(gap.key, name, gap.make);
      for (const overlap of overlapsOf(bands)) add(overlap.key, name, overlap.make);
    }
  }
  return [...found.values()].map(({ scopes, make }) => make(scopeList(scopes)));
};

const bandsIn = (
  { rules, at }: LintSubject,
  scope: { power: string; channel: string; product: string | undefined },
): Band[] =>
  rules
    .map((rule, index) => ({
      index,
      rule,
      min: rule.band?.minCents ?? 0,
      max: rule.band?.maxCents ?? Number.POSITIVE_INFINITY,
    }))
    .filter(
      ({ rule, min }) =>
        rule.effect !== 'forbid' &&
        isInside(rule, at) &&
        isAbout(rule, actOf({ ...scope, range: { minCents: min, maxCents: null } })),
    )
    .sort((a, b) => a.min - b.min || a.max - b.max);

type Keyed = { key: string; make: (scopes: string) => Finding };

const gapsOf = (bands: readonly Band[]): Keyed[] => {
  const gaps: Keyed[] = [];
  let covered = 0;
  let last: Band | undefined;
  for (const band of bands) {
    if (band.min > covered) gaps.push(gapBefore(band, covered, last));
    if (band.max > covered) {
      covered = band.max;
      last = band;
    }
  }
  if (last && covered !== Number.POSITIVE_INFINITY) gaps.push(openTop(last, covered));
  return gaps;
};

const gapBefore = (band: Band, covered: number, last: Band | undefined): Keyed => ({
  key: `gap ${last?.index} ${band.index} ${covered}`,
  make: (scopes) => ({
    severity: last ? 'error' : 'warning',
    code: 'band_gap',
    pointer: `/rules/${band.index}/band/minCents`,
    message: `no rule covers ${describeRange({ minCents: covered, maxCents: band.min })}${last ? `, between rules ${last.rule.id} and ${band.rule.id}` : `, below rule ${band.rule.id}`} (${scopes})`,
    remedy: last
      ? `set minCents to ${covered}, or maxCents of rule ${last.rule.id} (/rules/${last.index}/band/maxCents) to ${band.min}: bands are half-open, [min, max)`
      : 'set minCents to 0, or add a rule for smaller amounts, if they may be signed',
  }),
});

const openTop = (last: Band, covered: number): Keyed => ({
  key: `top ${last.index}`,
  make: (scopes) => ({
    severity: 'info',
    code: 'band_open_top',
    pointer: `/rules/${last.index}/band/maxCents`,
    message: `no rule covers ${describeRange({ minCents: covered, maxCents: null })} (${scopes})`,
    remedy: 'set maxCents of the highest band to null, or add a rule, if such acts may be signed',
  }),
});

const overlapsOf = (bands: readonly Band[]): Keyed[] =>
  bands.flatMap((a, position) =>
    bands.slice(position + 1).flatMap((b): Keyed[] => {
      const from = Math.max(a.min, b.min);
      const to = Math.min(a.max, b.max);
      const comparable = a.rule.coverage === 'complete' && b.rule.coverage === 'complete';
      // Two rules without any band are alternatives by intent: there is no band to have mistaken.
      if (from >= to || !comparable || (a.rule.band === undefined && b.rule.band === undefined)) return [];
      const [first, second] = a.index < b.index ? [a, b] : [b, a];
      const range = describeRange({ minCents: from, maxCents: Number.isFinite(to) ? to : null });
      return [
        {
          key: `overlap ${first.index} ${second.index}`,
          make: (scopes) => ({
            severity: 'warning',
            code: 'band_overlap',
            pointer:
              second.rule.band === undefined ? `/rules/${second.index}` : `/rules/${second.index}/band`,
            message: `rules ${first.rule.id} and ${second.rule.id} both cover ${range}: satisfying either is enough, so the more lenient one decides (${scopes})`,
            remedy: `if only one was meant, end one band where the other begins (the other rule: /rules/${first.index})`,
          }),
        },
      ];
    }),
  );
