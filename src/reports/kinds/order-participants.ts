import { area, created, orderId, status } from '../columns.ts';
import { eachParticipant, participantEntry } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const orderParticipants: ReportKind = {
  name: 'order-participants',
  title: 'Participantes da ordem',
  about: 'Who takes part in an order, and as what.',
  audience: 'area',
  required: ['orderId'],
  includesCurrent: true,
  each: eachParticipant,
  columns: [
    orderId,
    area,
    created,
    status,
    { name: 'posicao', title: 'Posição', type: 'integer', sql: 'e.n' },
    { name: 'cliente_participante_id', title: 'Participante', type: 'text', sql: 'e.id' },
    {
      name: 'papel',
      title: 'Papel',
      type: 'text',
      // An attribute that the data model does not name: the archive keeps it there.
      sql: `json_extract_string(${participantEntry('metadados_participante')}, '/_atributos/papel')`,
    },
  ],
};
