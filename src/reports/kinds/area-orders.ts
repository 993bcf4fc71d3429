import { orderColumns } from '../columns.ts';
import type { ReportKind } from '../kind.ts';

export const areaOrders: ReportKind = {
  name: 'area-orders',
  title: 'Ordens da área',
  about: 'Orders of an area.',
  audience: 'area',
  parameters: { areaId: 'required' },
  columns: orderColumns,
};
