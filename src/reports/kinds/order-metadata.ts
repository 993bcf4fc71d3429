import { jsonDocument, orderHead } from '../columns.ts';
import type { ReportKind } from '../kind.ts';

export const orderMetadata: ReportKind = {
  name: 'order-metadata',
  title: 'Metadados das ordens',
  about: 'Metadata of an order, or of the orders of an area; one row for each order.',
  audience: 'area',
  parameters: { orderId: 'one-of', areaId: 'one-of' },
  columns: [...orderHead, jsonDocument('metadados', 'Metadados', 'o.metadados_ordem')],
};
