import type { Pool } from 'pg';
import type { AreaParameters, Domains, Partners } from '../partners/partners.ts';
import { mayUseArea } from '../platform/auth.ts';
import { Problem } from '../platform/problem.ts';
import { type Caller, partnerProblem, visibleAreas } from './orders.ts';

export type Areas = {
  items: { areaId: string; name: string | null }[];
  /** The caller may use every area; `items` are those that the desk has seen. */
  all: boolean;
};

/** The areas that a caller may use, with the names that the desk knows from the orders it took. */
export const findAreas = async (
  { db }: { db: Pool },
  { principal }: Pick<Caller, 'principal'>,
): Promise<Areas> => {
  const areas = visibleAreas(principal);
  const { rows } = await db.query<{ areaId: string; name: string | null }>(
    areas
      ? `SELECT k AS "areaId", nome_area AS name FROM unnest($1::text[]) k LEFT JOIN areas ON area_id = k ORDER BY k`
      : 'SELECT area_id AS "areaId", nome_area AS name FROM areas ORDER BY area_id',
    areas ? [areas] : [],
  );
  return { items: rows, all: areas === null };
};

type Named = { key: string; name: string };

export type AreaStandards = Pick<
  AreaParameters,
  | 'areaId'
  | 'name'
  | 'active'
  | 'requesterTypes'
  | 'amount'
  | 'guarantors'
  | 'maxRepresentatives'
  | 'callbackAllowed'
> & {
  platforms: Named[];
  signatureMethods: Named[];
  powers: (Named & { consultsPowers: boolean })[];
};

/**
 * What an order of the area may say, for who fills in a form. `placeOrder` checks it again by the standards of its
 * own moment.
 * @throws Problem `forbidden`, `not-found`, `partner-unavailable`
 */
export const areaStandards = async (
  { partners }: { partners: Pick<Partners, 'parameters' | 'domains'> },
  { principal, requestId }: Caller,
  areaId: string,
): Promise<AreaStandards> => {
  if (!mayUseArea(principal, areaId))
    throw new Problem('forbidden', `The token does not allow orders of the area ${areaId}.`);
  const [parameters, domains] = await Promise.all([
    partners.parameters(areaId, { requestId }),
    partners.domains({ requestId }),
  ]).catch((error: unknown) => {
    throw partnerProblem(error);
  });
  if (!parameters.value) throw new Problem('not-found', `The bank has no area ${areaId}.`);
  return standardsOf(parameters.value, domains.value);
};

/** Keys that the area allows and the domains have: another one would be refused. */
const standardsOf = (area: AreaParameters, domains: Domains): AreaStandards => {
  const { areaId, name, active, requesterTypes, amount, guarantors, maxRepresentatives, callbackAllowed } =
    area;
  const allowed = (domain: readonly Named[], keys: readonly string[]): Named[] =>
    domain.flatMap((entry) => (keys.includes(entry.key) ? [{ key: entry.key, name: entry.name }] : []));
  return {
    ...{ areaId, name, active, requesterTypes, amount, guarantors, maxRepresentatives, callbackAllowed },
    platforms: allowed(domains.platforms, area.platforms),
    signatureMethods: allowed(domains.signatureMethods, area.signatureMethods),
    powers: allowed(
      domains.powers,
      area.powers.map(({ power }) => power),
    ).map((power) => ({
      ...power,
      consultsPowers: area.powers.some((one) => one.power === power.key && one.consultsPowers),
    })),
  };
};
