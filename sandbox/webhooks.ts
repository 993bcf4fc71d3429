export type ReceivedWebhook = {
  receivedAt: string;
  status: number;
  headers: Record<string, unknown>;
  body: string;
};

export type Webhooks = {
  /** Keeps a call and answers its status: `failWith` for the first `failTimes` of the name, then 204. */
  receive(
    name: string,
    call: { headers: Record<string, unknown>; body: string; failWith: number; failTimes: number },
  ): number;
  list(name: string): ReceivedWebhook[];
  clear(name: string): void;
};

const mostKept = 10_000;

/** A receiver for result messages, so that a demo needs no server of its own. */
export const createWebhooks = (): Webhooks => {
  const received = new Map<string, ReceivedWebhook[]>();
  return {
    receive: (name, { headers, body, failWith, failTimes }) => {
      const calls = received.get(name) ?? [];
      const status = calls.length < failTimes ? failWith : 204;
      calls.push({ receivedAt: new Date().toISOString(), status, headers, body });
      if (calls.length > mostKept) calls.shift();
      received.set(name, calls);
      return status;
    },
    list: (name) => [...(received.get(name) ?? [])],
    clear: (name) => {
      received.delete(name);
    },
  };
};
