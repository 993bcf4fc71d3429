import { area, created, orderId, status } from '../columns.ts';
import { eachElement } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const orderNotifications: ReportKind = {
  name: 'order-notifications',
  title: 'Notificações das ordens',
  about: 'Notifications of an order, or of the orders of an area; one row for each notification.',
  audience: 'area',
  required: [],
  oneOf: ['orderId', 'areaId'],
  includesCurrent: true,
  each: eachElement('notificacoes_ordem'),
  columns: [
    orderId,
    area,
    created,
    status,
    { name: 'posicao', title: 'Posição', type: 'integer', sql: 'e.n' },
    { name: 'notificacao', title: 'Notificação', type: 'json', sql: 'e.item' },
  ],
};
