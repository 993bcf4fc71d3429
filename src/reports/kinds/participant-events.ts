import { area, created, orderId, status } from '../columns.ts';
import { eachParticipantEvent } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const participantEvents: ReportKind = {
  name: 'participant-events',
  title: 'Eventos do participante',
  about: 'Event logs of a participant in their orders, or in one; one row for each event.',
  audience: 'area',
  required: ['participantId'],
  optional: ['orderId', 'areaId'],
  includesCurrent: true,
  each: eachParticipantEvent,
  columns: [
    orderId,
    area,
    created,
    status,
    { name: 'posicao', title: 'Posição', type: 'integer', sql: 'e.n' },
    { name: 'cliente_participante_id', title: 'Participante', type: 'text', sql: 'e.id' },
    { name: 'evento_n', title: 'Nº do evento', type: 'integer', sql: 'e.evento' },
    { name: 'evento', title: 'Evento', type: 'json', sql: 'e.item' },
  ],
};
