import { area, created, orderId, status } from '../columns.ts';
import { eachParticipant, participantEntry } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const participantMetadata: ReportKind = {
  name: 'participant-metadata',
  title: 'Metadados do participante',
  about: 'Metadata of a participant in their orders, or in one; one row for each time they take part.',
  audience: 'area',
  required: ['participantId'],
  optional: ['orderId', 'areaId'],
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
      name: 'metadados',
      title: 'Metadados',
      type: 'json',
      sql: participantEntry('metadados_participante'),
    },
  ],
};
