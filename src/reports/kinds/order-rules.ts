import { area, created, orderId, status } from '../columns.ts';
import { eachElement } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const orderRules: ReportKind = {
  name: 'order-rules',
  title: 'Regras das ordens',
  about: 'Signing rules of an order, or of the orders of an area; one row for each rule.',
  audience: 'area',
  required: [],
  oneOf: ['orderId', 'areaId'],
  includesCurrent: true,
  each: eachElement('regras_ordem'),
  columns: [
    orderId,
    area,
    created,
    status,
    { name: 'posicao', title: 'Posição', type: 'integer', sql: 'e.n' },
    { name: 'regra', title: 'Regra', type: 'json', sql: 'e.item' },
  ],
};
