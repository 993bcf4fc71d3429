/**
 * How a column's values come from another one: taken over as they are, computed from single values, or from many rows.
 * The words of OpenLineage.
 */
export type Derivation = 'IDENTITY' | 'TRANSFORMATION' | 'AGGREGATION';

/** How a column decides which rows there are, or where they lie, without being part of a value. */
export type Influence = 'FILTER' | 'JOIN' | 'GROUP_BY' | 'SORT' | 'WINDOW' | 'CONDITIONAL';

export type Origin = { readonly table: string; readonly column: string; readonly derivation: Derivation };

export type LineageColumn = { readonly name: string; readonly origins: readonly Origin[] };

export type InfluencingColumn = {
  readonly table: string;
  readonly column: string;
  readonly influence: Influence;
};

const strength: Record<Derivation, number> = { IDENTITY: 0, TRANSFORMATION: 1, AGGREGATION: 2 };

/** Each origin once, with the strongest of its derivations. */
export const mergeOrigins = (origins: readonly Origin[]): Origin[] => {
  const merged = new Map<string, Origin>();
  for (const origin of origins) {
    const id = `${origin.table}\n${origin.column}`;
    const known = merged.get(id);
    if (!known || strength[known.derivation] < strength[origin.derivation]) merged.set(id, origin);
  }
  return [...merged.values()];
};

export const atLeast = (origins: readonly Origin[], least: Derivation): Origin[] =>
  origins.map((origin) =>
    strength[origin.derivation] < strength[least] ? { ...origin, derivation: least } : origin,
  );

/** A relation of a FROM. `open`: a table whose columns are not known, so any name may be one of them. */
export type Source = {
  readonly alias: string;
  readonly columns: readonly LineageColumn[];
  readonly open?: string;
};

/** What names stand for at a place of a query: its FROM, then that of the query around it. */
export type Scope = { readonly sources: readonly Source[]; readonly outer: Scope | undefined };

const ofSource = (source: Source, column: string): readonly Origin[] | undefined => {
  const found = source.columns.find(({ name }) => name.toLowerCase() === column);
  if (found) return found.origins;
  return source.open === undefined ? undefined : [{ table: source.open, column, derivation: 'IDENTITY' }];
};

/**
 * The origins of a column by its path: `alias.column`, or a name that one relation has (several after USING). A name
 * that none is known to have is that of the only relation whose columns are not known.
 */
export const resolveColumn = (
  path: readonly string[],
  scope: Scope | undefined,
): readonly Origin[] | undefined => {
  if (!scope) return undefined;
  const [first = '', second] = path.map((part) => part.toLowerCase());
  const named = scope.sources.filter(({ alias }) => alias.toLowerCase() === first);
  if (second !== undefined && named.length > 0) {
    const found = named.flatMap((source) => ofSource(source, second) ?? []);
    return found.length > 0 || named.some((source) => ofSource(source, second)) ? found : undefined;
  }
  const known = scope.sources.flatMap((source) => {
    const origins = source.open === undefined ? ofSource(source, first) : undefined;
    return origins ? [origins] : [];
  });
  if (known.length > 0) return known.flat();
  const [open, ...others] = scope.sources.filter((source) => source.open !== undefined);
  if (open && others.length === 0) return ofSource(open, first);
  return resolveColumn(path, scope.outer);
};
