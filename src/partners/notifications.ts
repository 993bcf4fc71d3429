import { z } from 'zod';
import type { Channel } from './channel.ts';
import type { Answer, Call, Notification } from './contract.ts';

export const healthPath = '/notificacoes/v1/saude';

export const notificationSchema = z
  .object({ notificacao_id: z.string().min(1) })
  .transform(({ notificacao_id }) => ({ id: notificacao_id }));

/**
 * Asks for one message to one participant. It has an effect, and is still safe to ask again after a lost answer:
 * the partner keeps the idempotency key and answers the first message's id.
 */
export const askNotification = (
  channel: Channel,
  { idempotencyKey, orderKey, areaId, template, recipient }: Notification,
  call: Call,
): Promise<Answer<{ id: string }>> =>
  channel.ask(
    'send',
    {
      method: 'POST',
      path: '/notificacoes/v1/notificacoes',
      idempotencyKey,
      body: {
        ordem_id: orderKey,
        area_id: areaId,
        modelo: template,
        destinatario: {
          cpf: recipient.document,
          nome: recipient.name,
          email: recipient.email,
          telefone: recipient.phone,
        },
      },
    },
    call,
    ({ json }) => notificationSchema.parse(json),
  );
