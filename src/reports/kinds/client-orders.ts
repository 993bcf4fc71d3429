import { area, created, orderId, participants, status } from '../columns.ts';
import type { ReportKind } from '../kind.ts';

export const clientOrders: ReportKind = {
  name: 'client-orders',
  title: 'Ordens do cliente',
  about: 'Basic data of the orders that a client requested or takes part in.',
  audience: 'client',
  parameters: { clientId: 'required' },
  columns: [orderId, created, status, participants, area],
};
