import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpSource, Pipeline, Secret } from './declaration.ts';
import { countRecords, type PageState, pageAfter, pageValues } from './pagination.ts';
import { textOf } from './records.ts';
import { type HttpAnswer, NoAnswer, type Transport } from './transport.ts';
import { fillTemplate, insideJsonString } from './url-template.ts';
import type { RangeRequest } from './windows.ts';

/** What an API said to one request, whole, and what was made of it: taken, or refused and why. */
export type Capture = {
  readonly method: string;
  /** Without secrets: these are in headers only. */
  readonly address: string;
  /** Names of the headers sent; the values of secrets are not there. */
  readonly sent: Readonly<Record<string, string>>;
  /** Null where there was no answer. */
  readonly status: number | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly bodyHash: string;
  readonly requestHash: string;
  readonly page: number;
  readonly fetchedAt: Date;
  readonly ms: number;
  readonly records: number | null;
  readonly refused: string | null;
  readonly detail: string | null;
  readonly watermark: string | null;
};

/** A page that could not be had after all its tries. What came before it is kept. */
export class PageError extends Error {
  readonly refused: string;

  constructor(message: string, refused: string) {
    super(message);
    this.name = 'PageError';
    this.refused = refused;
  }
}

export type ReaderDeps = {
  readonly send: Transport;
  readonly clock: () => Date;
  readonly env: NodeJS.ProcessEnv;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
};

const keptHeaders =
  /^(date|etag|last-modified|content-(type|length|encoding|language)|retry-after|link|x-(ratelimit|request|correlation)-.*|ratelimit.*|age|cache-control)$/;

/** Reasons that another try may mend. */
const passing = new Set([
  'throttled',
  'server_error',
  'timeout',
  'connection',
  'not_json',
  'truncated',
  'not_utf8',
]);

export const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');

const headerValue = (value: string | Secret, env: NodeJS.ProcessEnv, name: string): string => {
  if (typeof value === 'string') return value;
  const found = env[value.secret];
  if (!found) {
    throw new PageError(
      `header ${name}: expected the secret in the environment variable ${value.secret}, found none`,
      'no_secret',
    );
  }
  return `${value.prefix ?? ''}${found}`;
};

/** Base address: the environment's, else the declared one. */
export const baseOf = ({ base }: HttpSource, env: NodeJS.ProcessEnv): string =>
  (env[base.env] || base.default).replace(/\/+$/, '');

type Verdict = {
  refused: string | null;
  detail: string | null;
  records: number | null;
  json: unknown;
};

/** Sorts an answer: records, or why it can't be taken for an answer. */
export const judge = (source: HttpSource, answer: HttpAnswer): Verdict => {
  const refuse = (refused: string, detail: string): Verdict => ({
    refused,
    detail,
    records: null,
    json: null,
  });
  const { status, headers, body } = answer;
  if (status === 429) return refuse('throttled', 'status 429');
  if (status === 408 || status >= 500) return refuse('server_error', `status ${status}`);
  if (status === 204 || source.emptyOn?.includes(status)) {
    return { refused: null, detail: null, records: 0, json: [] };
  }
  if (status >= 300 && status < 400) {
    return refuse(
      'redirect',
      `status ${status} to ${headers['location'] ?? 'nowhere'}; redirects are not followed`,
    );
  }
  if (status < 200 || status >= 400) return refuse('rejected', `status ${status}`);
  const length = Number(headers['content-length'] ?? body.length);
  if (length !== body.length) {
    return refuse('truncated', `expected ${length} bytes, found ${body.length}`);
  }
  let text: string;
  try {
    text = textOf(body);
  } catch {
    return refuse('not_utf8', `expected UTF-8 in ${body.length} bytes`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    const start = text.trimStart().slice(0, 1);
    return start === '{' || start === '['
      ? refuse(
          'truncated',
          `expected whole JSON, found ${body.length} bytes that end too early or are damaged`,
        )
      : refuse('not_json', `expected JSON, found ${headers['content-type'] ?? 'no content type'}`);
  }
  try {
    return { refused: null, detail: null, records: countRecords(json, source.records), json };
  } catch (error) {
    return refuse('unexpected_shape', error instanceof Error ? error.message : String(error));
  }
};

/** Lets at most so many requests through in so many seconds. */
export const openRateLimit = (
  limit: HttpSource['rateLimit'],
  now: () => number = () => performance.now(),
): ((wait: (ms: number) => Promise<void>) => Promise<void>) => {
  const times: number[] = [];
  return async (wait) => {
    if (!limit) return;
    const spanMs = limit.perSeconds * 1000;
    for (;;) {
      while ((times[0] ?? Infinity) <= now() - spanMs) times.shift();
      if (times.length < limit.requests) break;
      await wait(Math.max(1, (times[0] ?? 0) + spanMs - now()));
    }
    times.push(now());
  };
};

const nextAddress = (source: HttpSource, base: string, state: PageState): string | undefined => {
  const { pagination } = source;
  if (state.next === null || (pagination?.kind !== 'link' && pagination?.kind !== 'odata')) return undefined;
  const url = new URL(state.next, `${base}/`);
  // A secret header must not follow a link to somewhere else.
  if (url.origin !== new URL(base).origin) {
    throw new PageError(
      `the next page is at ${url.origin}, expected it at ${new URL(base).origin}`,
      'foreign_link',
    );
  }
  return url.href;
};

export type PageRead = { readonly capture: Capture; readonly after: PageState | undefined };

export type PageReader = (
  request: RangeRequest & { stepMs: number; watermark: string | null },
  state: PageState,
  onRefused: (capture: Capture) => void,
  signal: AbortSignal,
) => Promise<PageRead>;

/**
 * Reads pages of a pipeline's source, each with its tries. Every answer that is refused on the way is handed to
 * `onRefused`: it is evidence too.
 * @throws PageError after the last try, or at once where another would not help
 */
export const openPageReader = (pipeline: Pipeline, deps: ReaderDeps): PageReader => {
  const { source } = pipeline;
  const rate = openRateLimit(source.kind === 'http' ? source.rateLimit : undefined);
  const { tries = 5, delayMs = 500, maxDelayMs = 30_000 } = source.retry ?? {};
  const pause = deps.sleep ?? ((ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }));
  return async (request, state, onRefused, signal) => {
    for (let attempt = 1; ; attempt++) {
      await rate((ms) => pause(ms, signal));
      signal.throwIfAborted();
      const read =
        source.kind === 'http'
          ? await readHttp(source, deps, request, state, signal)
          : await readCustom(source, deps, request, state, signal);
      const { capture } = read;
      if (capture.refused === null) return read;
      onRefused(capture);
      if (attempt >= tries || !passing.has(capture.refused)) {
        const place = `${capture.method} ${capture.address}, page ${state.page + 1}`;
        throw new PageError(
          `${place}: ${capture.refused} (${capture.detail}) after ${attempt} ${attempt === 1 ? 'try' : 'tries'}`,
          capture.refused,
        );
      }
      const asked = Number(capture.headers['retry-after'] ?? Number.NaN) * 1000;
      const backoff = delayMs * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
      await pause(Math.min(maxDelayMs, Number.isFinite(asked) ? Math.max(asked, delayMs) : backoff), signal);
    }
  };
};

const readHttp = async (
  source: HttpSource,
  deps: ReaderDeps,
  request: RangeRequest & { stepMs: number },
  state: PageState,
  signal: AbortSignal,
): Promise<PageRead> => {
  const base = baseOf(source, deps.env);
  const pagination = source.pagination ?? { kind: 'none' };
  const values = { ...request, ...pageValues(pagination, state) };
  const address = nextAddress(source, base, state) ?? `${base}${fillTemplate(source.path, values)}`;
  const body = source.body === undefined ? undefined : fillTemplate(source.body, values, insideJsonString);
  const method = source.method ?? 'GET';
  const declared = Object.entries<string | Secret>({ accept: 'application/json', ...source.headers });
  const sent = declared.map(([name, value]) => [
    name,
    typeof value === 'string' ? value : `(${value.secret})`,
  ]);
  const begun = performance.now();
  let answer: HttpAnswer | undefined;
  let verdict: Verdict;
  try {
    answer = await deps.send({
      method,
      url: address,
      headers: Object.fromEntries(
        declared.map(([name, value]) => [name, headerValue(value, deps.env, name)]),
      ),
      ...(body === undefined ? {} : { body }),
      timeoutMs: source.timeoutMs ?? 30_000,
      maxBytes: source.maxBytes ?? 64 * 1024 * 1024,
      signal,
    });
    verdict = judge(source, answer);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    verdict = { refused: error.kind, detail: error.message, records: null, json: null };
  }
  const bytes = answer?.body ?? new Uint8Array();
  const headers = Object.fromEntries(
    Object.entries(answer?.headers ?? {}).filter(([name]) => keptHeaders.test(name)),
  );
  const capture: Capture = {
    method,
    address,
    sent: Object.fromEntries(sent),
    status: answer?.status ?? null,
    headers,
    body: bytes,
    bodyHash: sha256(bytes),
    requestHash: sha256(`${method} ${address} ${body ?? ''}`),
    page: state.page,
    fetchedAt: deps.clock(),
    ms: Math.round(performance.now() - begun),
    records: verdict.records,
    refused: verdict.refused,
    detail: verdict.detail,
    watermark: null,
  };
  const after =
    capture.refused === null
      ? pageAfter(pagination, state, {
          json: verdict.json,
          records: verdict.records ?? 0,
          headers: answer?.headers ?? {},
        })
      : undefined;
  return { capture, after };
};

const readCustom = async (
  source: Pipeline['source'] & { kind: 'custom' },
  deps: ReaderDeps,
  request: RangeRequest & { watermark: string | null },
  state: PageState,
  signal: AbortSignal,
): Promise<PageRead> => {
  const { from, to, slice, watermark } = request;
  const begun = performance.now();
  const place = `${source.name} ${from.toISOString()} ${JSON.stringify(slice)} ${state.next ?? ''}`;
  const common = { method: 'READ', sent: {}, headers: {}, page: state.page, status: null };
  try {
    const given = await source.read({ from, to, slice, next: state.next, watermark, env: deps.env, signal });
    const capture: Capture = {
      ...common,
      address: given.address,
      body: given.body,
      bodyHash: sha256(given.body),
      requestHash: sha256(place),
      fetchedAt: deps.clock(),
      ms: Math.round(performance.now() - begun),
      records: countRecords(JSON.parse(textOf(given.body)), source.records),
      refused: null,
      detail: null,
      watermark: given.watermark ?? null,
    };
    const after =
      given.next === null
        ? undefined
        : { page: state.page + 1, offset: state.offset + (capture.records ?? 0), next: given.next };
    return { capture, after };
  } catch (error) {
    signal.throwIfAborted();
    const capture: Capture = {
      ...common,
      address: source.name,
      body: new Uint8Array(),
      bodyHash: sha256(''),
      requestHash: sha256(place),
      fetchedAt: deps.clock(),
      ms: Math.round(performance.now() - begun),
      records: null,
      refused: 'connection',
      detail: error instanceof Error ? error.message : String(error),
      watermark: null,
    };
    return { capture, after: undefined };
  }
};
