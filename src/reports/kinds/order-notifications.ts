import { jsonDocument, orderHead, position } from '../columns.ts';
import { eachElement } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const orderNotifications: ReportKind = {
  name: 'order-notifications',
  title: 'Notificações das ordens',
  about: 'Notifications of an order, or of the orders of an area; one row for each notification.',
  audience: 'area',
  parameters: { orderId: 'one-of', areaId: 'one-of' },
  each: eachElement('notificacoes_ordem'),
  columns: [...orderHead, position, jsonDocument('notificacao', 'Notificação')],
};
