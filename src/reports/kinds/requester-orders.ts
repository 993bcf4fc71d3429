import { orderColumns } from '../columns.ts';
import type { ReportKind } from '../kind.ts';

export const requesterOrders: ReportKind = {
  name: 'requester-orders',
  title: 'Ordens do cliente requisitante',
  about: 'Orders that a client requested.',
  audience: 'area',
  parameters: { requesterId: 'required', areaId: 'optional' },
  columns: orderColumns,
};
