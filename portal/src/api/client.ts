import type { Operations } from './openapi.ts';
import { ApiProblem, problemOf } from './problem.ts';

type Operation = keyof Operations;
type Part<O extends Operation, Name extends string> = Operations[O] extends { [N in Name]: infer P }
  ? P
  : never;

export type Query<O extends Operation> = Part<O, 'query'>;
export type Body<O extends Operation> = Part<O, 'body'>;
export type Answer<O extends Operation> = Operations[O]['answer'];

export type CallOptions<O extends Operation> = {
  /** Of the path: `{ orderKey: 'ord_…' }`. */
  path?: Record<string, string>;
  query?: Query<O>;
  body?: Body<O>;
  idempotencyKey?: string;
  signal?: AbortSignal;
};

/** Asks the API. @throws ApiProblem for every answer that is not a success, and where none comes */
export type Call = <O extends Operation>(operation: O, options?: CallOptions<O>) => Promise<Answer<O>>;

const addressOf = (template: string, path: Record<string, string>, query: unknown): string => {
  const address = template.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(path[name] ?? ''),
  );
  const parameters = Object.entries((query ?? {}) as object).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  );
  return parameters.length === 0 ? address : `${address}?${new URLSearchParams(parameters)}`;
};

/** `token` gives the bearer token of the moment; `refused` is told when the API no longer takes it. */
export const createCall =
  ({ token, refused }: { token: () => string; refused: () => void }): Call =>
  async (operation, { path = {}, query, body, idempotencyKey, signal } = {}) => {
    const [method = '', template = ''] = operation.split(' ');
    const response = await fetch(addressOf(template, path, query), {
      method,
      headers: {
        accept: 'application/json',
        'accept-language': 'pt-BR',
        authorization: `Bearer ${token()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    }).catch((cause: unknown) => {
      if (signal?.aborted) throw cause;
      throw new ApiProblem({ type: 'no-answer', status: 0, title: 'no answer' });
    });
    if (!response.ok) {
      const problem = await problemOf(response);
      if (problem.status === 401) refused();
      throw problem;
    }
    return (await response.json()) as Answer<typeof operation>;
  };
