import type { OrderKey } from '../archive/archive.ts';
import type { Condition, Predicate } from '../lake/predicate.ts';
import { visibleOrders } from './access.ts';
import type { ParameterName, ReportRequest, ReportViewer } from './contract.ts';
import { type ClientCondition, type ParameterCondition, parameterRules } from './parameters.ts';

/** Which orders a report is about. All of it holds; the status is apart, see `latestVersions` in query.ts. */
export type OrderConditions = {
  readonly predicate: Predicate;
  readonly clients: readonly ClientCondition[];
  /** For the archive's lookup: of each clause, an order has at least one key. */
  readonly keys: readonly (readonly OrderKey[])[];
  readonly status: string | undefined;
};

/** The request's conditions and the viewer's limits as one. The only place where rows are chosen. */
export const orderConditions = (request: ReportRequest, viewer: ReportViewer): OrderConditions => {
  const { parameters, from, to, status } = request;
  const given = (Object.entries(parameters) as [ParameterName, string][]).map(
    ([name, value]): ParameterCondition => parameterRules[name].condition(value),
  );
  const period: Condition[] = [
    ...(from === undefined ? [] : [{ column: 'data_criacao', op: '>=' as const, value: from }]),
    ...(to === undefined ? [] : [{ column: 'data_criacao', op: '<' as const, value: to }]),
  ];
  const visible = visibleOrders(viewer);
  const ofViewer: OrderKey[][] =
    viewer.clients === 'all'
      ? []
      : [
          viewer.clients.flatMap((value): OrderKey[] => [
            { kind: 'requisitante', value },
            { kind: 'participante', value },
          ]),
        ];
  return {
    predicate: [...visible.predicate, ...period, ...given.flatMap(({ predicate }) => predicate)],
    clients: [...visible.clients, ...given.flatMap(({ clients }) => clients)],
    keys: [...ofViewer, ...given.flatMap(({ keys }) => (keys.length > 0 ? [keys] : []))],
    status,
  };
};
