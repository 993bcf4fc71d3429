import { orderColumns } from '../columns.ts';
import type { ReportKind } from '../kind.ts';

export const contractOrders: ReportKind = {
  name: 'contract-orders',
  title: 'Ordens do contrato',
  about: 'Orders of a contract of the consumer.',
  audience: 'area',
  parameters: { contractId: 'required', areaId: 'optional' },
  columns: orderColumns,
};
