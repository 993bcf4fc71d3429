import type { IncomingMessage, ServerResponse } from 'node:http';

export type HttpAnswer = { status: number; body: string; type?: string; headers?: Record<string, string> };

export const json = (status: number, value: unknown, headers?: Record<string, string>): HttpAnswer => ({
  status,
  body: JSON.stringify(value),
  ...(headers && { headers }),
});

export const sendAnswer = (response: ServerResponse, answer: HttpAnswer): void => {
  response.writeHead(answer.status, {
    'content-type': answer.type ?? 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(answer.body),
    ...answer.headers,
  });
  response.end(answer.body);
};

/** A request's body as text. @throws Error over one megabyte. */
export const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > 1_048_576) throw new Error('expected a body of at most 1 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

export const parseJson = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};
