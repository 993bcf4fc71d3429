import { jsonDocument, orderHead, participant, position } from '../columns.ts';
import { eachParticipantEvent } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const participantEvents: ReportKind = {
  name: 'participant-events',
  title: 'Eventos do participante',
  about: 'Event logs of a participant in their orders, or in one; one row for each event.',
  audience: 'area',
  parameters: { participantId: 'required', orderId: 'optional', areaId: 'optional' },
  each: eachParticipantEvent,
  columns: [
    ...orderHead,
    position,
    participant,
    { name: 'evento_n', title: 'Nº do evento', type: 'integer', sql: 'e.evento' },
    jsonDocument('evento', 'Evento'),
  ],
};
