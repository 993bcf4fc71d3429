import { orderHead, participant, position } from '../columns.ts';
import { eachParticipant, participantEntry } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const orderParticipants: ReportKind = {
  name: 'order-participants',
  title: 'Participantes da ordem',
  about: 'Who takes part in an order, and as what.',
  audience: 'area',
  parameters: { orderId: 'required' },
  each: eachParticipant,
  columns: [
    ...orderHead,
    position,
    participant,
    {
      name: 'papel',
      title: 'Papel',
      type: 'text',
      // An attribute that the data model does not name: the archive keeps it there.
      sql: `json_extract_string(${participantEntry('metadados_participante')}, '/_atributos/papel')`,
    },
  ],
};
