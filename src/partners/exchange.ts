import { createHash } from 'node:crypto';
import { context, propagation } from '@opentelemetry/api';
import { type Dispatcher, errors, request } from 'undici';
import { readJsonText } from '../shared/json-text.ts';
import type { PartnerName } from './contract.ts';
import { PartnerUnavailable } from './unavailable.ts';

/** One request to a partner. `notFound`: the `codigo` of a 404 that is an answer; any other 404 is a failure. */
export type Exchange = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  readonly idempotencyKey?: string;
  readonly notFound?: string;
};

/** What came back, read as JSON but not yet checked against a contract. `found` is false on the 404 that is an answer. */
export type Reply = {
  readonly found: boolean;
  readonly json: unknown;
  readonly raw: string;
  readonly sha256: string;
  readonly receivedAt: string;
};

/** Largest body that is read. The largest honest answer (500 people, 200 rules) is about a tenth of it. */
export const maxAnswerBytes = 4 * 1024 * 1024;

/** The shortest and longest waits that a partner may ask for. */
const retryAfterMs = (headers: Dispatcher.ResponseData['headers']): number | undefined => {
  const value = headers['retry-after'];
  const seconds = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : undefined;
  return seconds === undefined ? undefined : seconds * 1000;
};

const failureOf = (partner: PartnerName, error: unknown): PartnerUnavailable => {
  if (error instanceof errors.ResponseExceededMaxSizeError) {
    return new PartnerUnavailable(partner, 'malformed', `the body exceeds ${maxAnswerBytes} bytes`, {
      cause: error,
    });
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const timedOut = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
  return new PartnerUnavailable(
    partner,
    timedOut || code === 'UND_ERR_CONNECT_TIMEOUT' ? 'timeout' : 'connection',
    error instanceof Error ? `${code}: ${error.message}` : String(error),
    { cause: error },
  );
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const readJson = (
  partner: PartnerName,
  status: number,
  type: string,
  bytes: Uint8Array,
): { json: unknown; raw: string } => {
  const malformed = (detail: string, cause?: unknown): PartnerUnavailable =>
    new PartnerUnavailable(partner, 'malformed', `expected JSON with status ${status}, ${detail}`, { cause });
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(type)) throw malformed(`found content type "${type}"`);
  let raw: string;
  try {
    raw = utf8.decode(bytes);
  } catch (cause) {
    throw malformed('found bytes that are not UTF-8', cause);
  }
  // Nothing that the reader says is in the text: it may quote the body, which may hold personal data.
  const { value, violations, readable } = readJsonText(raw, { mostViolations: 1 });
  if (!readable) throw malformed(`found ${bytes.length} bytes that do not parse`);
  const [ambiguous] = violations;
  // One reader takes the first of two members with one name, another the last: neither is what the partner says.
  if (ambiguous) throw malformed(`found two readings of one value at ${ambiguous.pointer}`);
  return { json: value, raw };
};

/** The `codigo` of a partner's error body. */
export const codeOf = (json: unknown): unknown =>
  typeof json === 'object' && json !== null && 'codigo' in json ? json.codigo : undefined;

/** Sorts a reply by its status: an answer, or the failure that it means. */
const classify = (
  partner: PartnerName,
  exchange: Exchange,
  status: number,
  headers: Dispatcher.ResponseData['headers'],
  bytes: Uint8Array,
): Reply => {
  const wait = retryAfterMs(headers);
  const hint = wait === undefined ? {} : { retryAfterMs: wait };
  if (status === 429) throw new PartnerUnavailable(partner, 'throttled', 'status 429', hint);
  if (status >= 500) throw new PartnerUnavailable(partner, 'server_error', `status ${status}`, hint);
  if (status < 200 || (status >= 300 && status < 400)) {
    throw new PartnerUnavailable(
      partner,
      'malformed',
      `expected an answer, found status ${status} (redirects are not followed)`,
    );
  }
  if (status >= 400 && (status !== 404 || exchange.notFound === undefined)) {
    throw new PartnerUnavailable(partner, 'rejected', `status ${status}`);
  }
  const { json, raw } = readJson(partner, status, String(headers['content-type'] ?? ''), bytes);
  if (status === 404 && codeOf(json) !== exchange.notFound) {
    throw new PartnerUnavailable(
      partner,
      'rejected',
      `expected "codigo": "${exchange.notFound}" in a 404, found another body: is the address right?`,
    );
  }
  return {
    found: status !== 404,
    json,
    raw,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    receivedAt: new Date().toISOString(),
  };
};

export type ExchangeDeps = {
  readonly partner: PartnerName;
  readonly baseUrl: string;
  readonly token: string | undefined;
  readonly dispatcher: Dispatcher;
};

/**
 * Asks once. Throws `PartnerUnavailable` for everything that is not an answer; an abort of `signal` surfaces
 * as whatever undici throws for it, for the caller who knows why it was aborted.
 */
export const exchangeOnce = async (
  { partner, baseUrl, token, dispatcher }: ExchangeDeps,
  exchange: Exchange,
  requestId: string,
  signal: AbortSignal,
): Promise<Reply> => {
  const headers: Record<string, string> = {
    accept: 'application/json',
    'x-request-id': requestId,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(exchange.body !== undefined && { 'content-type': 'application/json' }),
    ...(exchange.idempotencyKey !== undefined && { 'idempotency-key': exchange.idempotencyKey }),
  };
  propagation.inject(context.active(), headers);
  try {
    const response = await request(`${baseUrl}${exchange.path}`, {
      method: exchange.method,
      headers,
      body: exchange.body === undefined ? null : JSON.stringify(exchange.body),
      dispatcher,
      signal,
    });
    const bytes = await response.body.bytes();
    return classify(partner, exchange, response.statusCode, response.headers, bytes);
  } catch (error) {
    if (signal.aborted || error instanceof PartnerUnavailable) throw error;
    throw failureOf(partner, error);
  }
};
