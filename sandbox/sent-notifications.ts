export type SentNotification = {
  notificacao_id: string;
  /** How often this key was asked for; more than one is a retry, and still one message. */
  requests: number;
  idempotencyKey: string;
  body: unknown;
};

export type SentNotifications = {
  /** Sends once a key. undefined: the key was used with another body. */
  send(idempotencyKey: string, text: string): { notificacao_id: string; requests: number } | undefined;
  list(): SentNotification[];
  count(): { messages: number; requests: number };
  reset(): void;
};

/** Enough for the longest test run; then the oldest are forgotten, as a real partner forgets after some days. */
const mostKept = 500_000;

export const createSentNotifications = (): SentNotifications => {
  const sent = new Map<string, { notificacao_id: string; requests: number; text: string }>();
  let messages = 0;
  let requests = 0;
  return {
    send: (idempotencyKey, text) => {
      requests += 1;
      const known = sent.get(idempotencyKey);
      if (known) {
        if (known.text !== text) return undefined;
        known.requests += 1;
        return known;
      }
      messages += 1;
      const notification = { notificacao_id: `ntf_${messages}`, requests: 1, text };
      sent.set(idempotencyKey, notification);
      const oldest = sent.size > mostKept ? sent.keys().next().value : undefined;
      if (oldest !== undefined) sent.delete(oldest);
      return notification;
    },
    list: () =>
      [...sent].map(([idempotencyKey, { notificacao_id, requests: asked, text }]) => ({
        notificacao_id,
        requests: asked,
        idempotencyKey,
        body: JSON.parse(text) as unknown,
      })),
    count: () => ({ messages, requests }),
    reset: () => {
      sent.clear();
      messages = 0;
      requests = 0;
    },
  };
};
