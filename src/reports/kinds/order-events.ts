import { jsonDocument, orderHead, position } from '../columns.ts';
import { eachElement } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const orderEvents: ReportKind = {
  name: 'order-events',
  title: 'Eventos da ordem',
  about: 'Event log of an order; one row for each event.',
  audience: 'area',
  parameters: { orderId: 'required' },
  each: eachElement('logs_eventos_ordem'),
  columns: [...orderHead, position, jsonDocument('evento', 'Evento')],
};
