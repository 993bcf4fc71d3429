import type { Predicate } from '../lake/predicate.ts';
import type { ReportRequest, ReportViewer } from './contract.ts';
import { findKind } from './kinds.ts';
import type { ClientCondition } from './parameters.ts';

/**
 * Why this viewer may not have this report, or null when they may. The rows are narrowed to what the viewer may see
 * in any case (`visibleOrders`); this tells at once what would only come out empty.
 */
export const authorize = (request: ReportRequest, viewer: ReportViewer): string | null => {
  const kind = findKind(request.kind);
  if (!kind) return `there is no report ${request.kind}`;
  if (kind.audience === 'area' && viewer.clients !== 'all') {
    return `${kind.name} is for the bank's areas; clients ask for client-orders`;
  }
  const { areaId } = request.parameters;
  if (areaId !== undefined && viewer.areas !== 'all' && !viewer.areas.includes(areaId)) {
    return `the area ${areaId} is not among those that may be seen`;
  }
  const { clientId } = request.parameters;
  if (clientId !== undefined && viewer.clients !== 'all' && !viewer.clients.includes(clientId)) {
    return 'the orders of this client are not among those that may be seen';
  }
  return null;
};

/** The orders that a viewer may see: conditions over the columns of `ordens_arquivadas`, of which all hold. */
export const visibleOrders = (
  viewer: ReportViewer,
): { predicate: Predicate; clients: readonly ClientCondition[] } => ({
  predicate: viewer.areas === 'all' ? [] : [{ column: 'area_id', op: 'in', values: viewer.areas }],
  clients: viewer.clients === 'all' ? [] : [{ part: 'any', ids: viewer.clients }],
});
