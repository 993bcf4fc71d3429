import type { ParameterName, ReportKindDescription } from './contract.ts';
import type { ParameterNeed, ReportKind } from './kind.ts';
import { areaOrders } from './kinds/area-orders.ts';
import { clientOrders } from './kinds/client-orders.ts';
import { contractOrders } from './kinds/contract-orders.ts';
import { orderEvents } from './kinds/order-events.ts';
import { orderMetadata } from './kinds/order-metadata.ts';
import { orderNotifications } from './kinds/order-notifications.ts';
import { orderParticipants } from './kinds/order-participants.ts';
import { orderRules } from './kinds/order-rules.ts';
import { participantEvents } from './kinds/participant-events.ts';
import { participantMetadata } from './kinds/participant-metadata.ts';
import { participantOrders } from './kinds/participant-orders.ts';
import { requesterOrders } from './kinds/requester-orders.ts';
import { parameterRules } from './parameters.ts';

const all: readonly ReportKind[] = [
  clientOrders,
  areaOrders,
  contractOrders,
  requesterOrders,
  participantOrders,
  orderParticipants,
  orderRules,
  orderMetadata,
  orderNotifications,
  orderEvents,
  participantMetadata,
  participantEvents,
];

const byName = new Map(all.map((kind) => [kind.name, kind]));

export const findKind = (name: string): ReportKind | undefined => byName.get(name);

/** The parameters that a kind takes, or those of them that it takes in this way. */
export const parametersOf = ({ parameters }: ReportKind, need?: ParameterNeed): ParameterName[] =>
  (Object.keys(parameters) as ParameterName[]).filter(
    (name) => need === undefined || parameters[name] === need,
  );

const describe = (kind: ReportKind): ReportKindDescription => ({
  name: kind.name,
  title: kind.title,
  about: kind.about,
  audience: kind.audience,
  includesCurrent: !kind.archivedOnly,
  columns: kind.columns.map(({ name, title, type }) => ({ name, title, type })),
  parameters: parametersOf(kind).map((name) => ({
    name,
    required: kind.parameters[name] === 'required',
    about:
      kind.parameters[name] === 'one-of'
        ? `${parameterRules[name].about} One of ${parametersOf(kind, 'one-of').join(', ')} is needed.`
        : parameterRules[name].about,
  })),
});

/** All kinds of report, in the order in which they are best shown. */
export const reportKinds: readonly ReportKindDescription[] = all.map(describe);
