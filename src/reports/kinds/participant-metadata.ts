import { jsonDocument, orderHead, participant, position } from '../columns.ts';
import { eachParticipant, participantEntry } from '../elements.ts';
import type { ReportKind } from '../kind.ts';

export const participantMetadata: ReportKind = {
  name: 'participant-metadata',
  title: 'Metadados do participante',
  about: 'Metadata of a participant in their orders, or in one; one row for each time they take part.',
  audience: 'area',
  parameters: { participantId: 'required', orderId: 'optional', areaId: 'optional' },
  each: eachParticipant,
  columns: [
    ...orderHead,
    position,
    participant,
    jsonDocument('metadados', 'Metadados', participantEntry('metadados_participante')),
  ],
};
