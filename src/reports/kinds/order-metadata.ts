import { area, created, orderId, status } from '../columns.ts';
import type { ReportKind } from '../kind.ts';

export const orderMetadata: ReportKind = {
  name: 'order-metadata',
  title: 'Metadados das ordens',
  about: 'Metadata of an order, or of the orders of an area; one row for each order.',
  audience: 'area',
  required: [],
  oneOf: ['orderId', 'areaId'],
  includesCurrent: true,
  columns: [
    orderId,
    area,
    created,
    status,
    { name: 'metadados', title: 'Metadados', type: 'json', sql: 'o.metadados_ordem' },
  ],
};
