import { orderColumns } from '../columns.ts';
import type { ReportKind } from '../kind.ts';

export const participantOrders: ReportKind = {
  name: 'participant-orders',
  title: 'Ordens do cliente participante',
  about: 'Orders that a client takes part in.',
  audience: 'area',
  parameters: { participantId: 'required', areaId: 'optional' },
  columns: orderColumns,
};
