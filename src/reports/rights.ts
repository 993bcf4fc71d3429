import type { Principal } from '../platform/auth.ts';
import type { Db } from '../platform/postgres.ts';
import { Problem } from '../platform/problem.ts';
import type { ReportViewer } from './contract.ts';

/** Who asks, as far as rights go: the token's client and subject, and what the token allows. */
export type Asker = Pick<Principal, 'clientId' | 'subject'>;

export type Right = { readonly type: 'scope' | 'area' | 'client'; readonly value: string };

/** A right that the bank took away before the tokens that carry it expire. `right` null: every right. */
export type Withdrawal = { readonly right: Right | null };

/**
 * What a token lets its bearer see. A token that names areas speaks for the bank's products, one that names clients
 * for these clients in whatever area; one that names neither sees nothing, never everything.
 */
export const viewerOf = (
  { areas, clients, scopes }: Pick<Principal, 'areas' | 'clients' | 'scopes'>,
  unmasked: boolean,
): ReportViewer => ({
  areas: areas.has('*') || (areas.size === 0 && clients.size > 0) ? 'all' : [...areas].sort(),
  clients: clients.size > 0 ? [...clients].sort() : 'all',
  unmasked: unmasked && (scopes.has('reports:unmasked') || scopes.has('admin')),
  scopes: [...scopes].sort(),
});

/**
 * A viewer without the rights that were withdrawn. null: nothing is left. Where everything may be seen but one area
 * or client, nothing may: there is no way to say "all but this one", and a wider answer would be a leak.
 */
export const withoutWithdrawn = (
  viewer: ReportViewer,
  withdrawals: readonly Withdrawal[],
): ReportViewer | null => {
  const taken = (type: Right['type']): string[] =>
    withdrawals.flatMap(({ right }) => (right?.type === type ? [right.value] : []));
  if (withdrawals.some(({ right }) => right === null)) return null;
  const scopes = viewer.scopes.filter((scope) => !taken('scope').includes(scope));
  const areas = less(viewer.areas, taken('area'));
  const clients = less(viewer.clients, taken('client'));
  if (areas === null || clients === null) return null;
  const unmasked = viewer.unmasked && (scopes.includes('reports:unmasked') || scopes.includes('admin'));
  return { areas, clients, unmasked, scopes };
};

const less = (
  held: readonly string[] | 'all',
  taken: readonly string[],
): readonly string[] | 'all' | null => {
  if (taken.length === 0) return held;
  if (held === 'all') return null;
  const left = held.filter((value) => !taken.includes(value));
  return left.length > 0 ? left : null;
};

const includes = (held: readonly string[] | 'all', needed: readonly string[] | 'all'): boolean =>
  held === 'all' || (needed !== 'all' && needed.every((value) => held.includes(value)));

/**
 * Whether who has the rights `held` may have a file that was made with the rights `used`: it holds rows of every
 * area and client of `used`, and unmasked ones where `used` is.
 */
export const mayHave = (held: ReportViewer, used: ReportViewer): boolean =>
  includes(held.areas, used.areas) &&
  includes(held.clients, used.clients) &&
  (held.unmasked || !used.unmasked);

/** The withdrawals that are in force for a client's subject. Read anew at each check: that is their point. */
export const readWithdrawals = async (db: Db, { clientId, subject }: Asker): Promise<Withdrawal[]> => {
  const { rows } = await db.query<{ tipo_direito: Right['type'] | null; valor_direito: string | null }>(
    `SELECT tipo_direito, valor_direito FROM direitos_retirados
     WHERE cliente_id = $1 AND (solicitante IS NULL OR solicitante = $2) AND devolvido_em IS NULL`,
    [clientId, subject],
  );
  return rows.map(({ tipo_direito: type, valor_direito: value }) => ({
    right: type === null || value === null ? null : { type, value },
  }));
};

/**
 * The rights of a caller now: the token's, without what was withdrawn.
 * @throws Problem `forbidden` where nothing is left, the scope that the route needs was withdrawn, or unmasked data
 * is asked for without the right to it
 */
export const rightsOf = async (
  db: Db,
  principal: Principal,
  { scope, unmasked }: { scope: 'reports:read' | 'reports:write'; unmasked: boolean },
): Promise<ReportViewer> => {
  const asked = viewerOf(principal, unmasked);
  if (unmasked && !asked.unmasked)
    throw new Problem('forbidden', 'Data that is not masked needs the scope reports:unmasked.');
  const held = withoutWithdrawn(asked, await readWithdrawals(db, principal));
  if (!held || (held.areas.length === 0 && held.areas !== 'all'))
    throw new Problem('forbidden', 'The token names no area and no client whose orders it may see.');
  if (!held.scopes.includes(scope) && !held.scopes.includes('admin'))
    throw new Problem('forbidden', `The scope ${scope} was withdrawn.`);
  if (unmasked && !held.unmasked) throw new Problem('forbidden', 'The scope reports:unmasked was withdrawn.');
  return held;
};
