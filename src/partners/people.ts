import { z } from 'zod';
import type { Channel } from './channel.ts';
import type { Answer, Call, PersonContact } from './contract.ts';

export const healthPath = '/pessoas/v1/saude';

const contact = z
  .string()
  .nullish()
  .transform((text) => (text === undefined || text === '' ? null : text));

export const peopleSchema = z
  .object({
    pessoas: z.array(z.object({ cpf: z.string(), nome: z.string(), email: contact, telefone: contact })),
  })
  .transform(({ pessoas }): PersonContact[] =>
    pessoas.map(({ cpf, nome, email, telefone }) => ({ document: cpf, name: nome, email, phone: telefone })),
  );

/** Asks for contacts. By POST, although it only reads: documents do not belong into URLs and access logs. */
export const askPeople = (
  channel: Channel,
  documents: readonly string[],
  call: Call,
): Promise<Answer<PersonContact[]>> =>
  channel.ask(
    'contacts',
    { method: 'POST', path: '/pessoas/v1/consultas', body: { documentos: documents } },
    call,
    ({ json }) => {
      const asked = new Set(documents);
      // Nobody may be notified who is not a party of the order.
      return peopleSchema.parse(json).filter(({ document }) => asked.has(document));
    },
  );
