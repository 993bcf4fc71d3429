import { area, created, orderId, status } from '../columns.ts';
import { eachElement } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const orderEvents: ReportKind = {
  name: 'order-events',
  title: 'Eventos da ordem',
  about: 'Event log of an order; one row for each event.',
  audience: 'area',
  required: ['orderId'],
  includesCurrent: true,
  each: eachElement('logs_eventos_ordem'),
  columns: [
    orderId,
    area,
    created,
    status,
    { name: 'posicao', title: 'Posição', type: 'integer', sql: 'e.n' },
    { name: 'evento', title: 'Evento', type: 'json', sql: 'e.item' },
  ],
};
