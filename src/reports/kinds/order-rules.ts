import { jsonDocument, orderHead, position } from '../columns.ts';
import { eachElement } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const orderRules: ReportKind = {
  name: 'order-rules',
  title: 'Regras das ordens',
  about: 'Signing rules of an order, or of the orders of an area; one row for each rule.',
  audience: 'area',
  parameters: { orderId: 'one-of', areaId: 'one-of' },
  each: eachElement('regras_ordem'),
  columns: [...orderHead, position, jsonDocument('regra', 'Regra')],
};
