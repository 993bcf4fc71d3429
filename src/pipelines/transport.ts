import { Agent, errors, request } from 'undici';

export type HttpRequest = {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
};

/** An answer as it came, whatever its status. */
export type HttpAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
};

/** Makes one request. Redirects are answers, not followed. @throws NoAnswer */
export type Transport = (request: HttpRequest) => Promise<HttpAnswer>;

/** There was no whole answer: it took too long, the connection broke, or the body was cut or too large. */
export class NoAnswer extends Error {
  readonly kind: 'timeout' | 'connection' | 'too_large';

  constructor(kind: NoAnswer['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NoAnswer';
    this.kind = kind;
  }
}

const toNoAnswer = (error: unknown, { timeoutMs, maxBytes }: HttpRequest): NoAnswer => {
  if (error instanceof errors.ResponseExceededMaxSizeError) {
    return new NoAnswer('too_large', `the answer has more than ${maxBytes} bytes`, { cause: error });
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const late = code.endsWith('_TIMEOUT') || (error instanceof DOMException && error.name === 'TimeoutError');
  if (late) return new NoAnswer('timeout', `no whole answer within ${timeoutMs} ms`, { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return new NoAnswer('connection', code ? `${code}: ${message}` : message, { cause: error });
};

/** Requests over undici. `close` ends its connections. */
export const openTransport = (): { send: Transport; close: () => Promise<void> } => {
  const agent = new Agent({ keepAliveTimeout: 10_000, connections: 16 });
  const send: Transport = async (asked) => {
    const { method, url, headers, body, timeoutMs, maxBytes, signal } = asked;
    const ended = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const answer = await request(url, {
        dispatcher: agent,
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        signal: ended,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      return {
        status: answer.statusCode,
        headers: Object.fromEntries(
          Object.entries(answer.headers).map(([name, value]) => [name, String(value ?? '')]),
        ),
        body: await readBody(answer.body, maxBytes),
      };
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof NoAnswer ? error : toNoAnswer(error, asked);
    }
  };
  return { send, close: () => agent.close() };
};

const readBody = async (
  body: AsyncIterable<Uint8Array> & { destroy: () => unknown },
  maxBytes: number,
): Promise<Uint8Array> => {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > maxBytes) {
      body.destroy();
      throw new NoAnswer('too_large', `the answer has more than ${maxBytes} bytes`);
    }
    parts.push(part);
  }
  const [first] = parts;
  return parts.length === 1 && first ? first : Buffer.concat(parts, size);
};
