import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLosslessNumber, LosslessNumber, parse, stringify } from 'lossless-json';
import { type Fault, type FaultKind, faultKinds } from './faults.ts';
import { type HttpAnswer, json, sendAnswer } from './http-answer.ts';

type SpoilingKind = Exclude<FaultKind, 'latency'>;
type SpoilingFault = Pick<Fault, 'status' | 'retryAfterSeconds' | 'field'>;
type JsonRecord = Record<string, unknown>;

const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value);

/** The list that the answer is about: itself, or its first member that is one. */
const listIn = (body: unknown): unknown[] | undefined => {
  if (Array.isArray(body)) return body;
  return isRecord(body) ? Object.values(body).find((value) => Array.isArray(value)) : undefined;
};

/** Changes every record of an answer and leaves the rest as it was, digit by digit. */
const ofRecords = (answer: HttpAnswer, change: (record: JsonRecord) => void): HttpAnswer => {
  const body = parse(answer.body);
  for (const record of listIn(body) ?? [body]) if (isRecord(record)) change(record);
  return { ...answer, body: stringify(body) ?? '' };
};

const withoutRecords = (answer: HttpAnswer): HttpAnswer => {
  const body = parse(answer.body);
  listIn(body)?.splice(0);
  return { ...answer, status: 200, body: listIn(body) ? (stringify(body) ?? '') : '[]' };
};

const lastField = (record: JsonRecord): string | undefined => Object.keys(record).at(-1);

/** A number as text, a number in text as a number, and anything else inside an object. */
const ofAnotherType = (value: unknown): unknown => {
  if (isLosslessNumber(value)) return value.toString();
  const isNumeric = typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value);
  return isNumeric ? new LosslessNumber(value) : { valor: value };
};

const cutConnection = (response: ServerResponse): void => {
  response.socket?.resetAndDestroy();
};

const page = '<!doctype html><html><body><h1>Manutenção programada</h1></body></html>';

/** How each fault spoils an answer. `answer` does the work, for those in which it is done. */
const spoilers: Record<
  SpoilingKind,
  (response: ServerResponse, fault: SpoilingFault, answer: () => HttpAnswer) => void
> = {
  error: (response, { status }) =>
    sendAnswer(response, json(status, { codigo: 'INDISPONIVEL', mensagem: 'Serviço indisponível.' })),
  throttle: (response, { retryAfterSeconds }) =>
    sendAnswer(response, json(429, { codigo: 'LIMITE' }, { 'retry-after': String(retryAfterSeconds) })),
  // Nothing is sent: the connection stays open until the other side gives up.
  timeout: () => {},
  reset: cutConnection,
  outage: cutConnection,
  lost_answer: (response, _, answer) => {
    answer();
    cutConnection(response);
  },
  cut: (response, _, answer) => {
    const { status, body } = answer();
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body) + 16,
    });
    response.write(body.slice(0, Math.ceil(body.length / 2)), () => cutConnection(response));
  },
  malformed: (response, _, answer) => {
    const { status, body } = answer();
    sendAnswer(response, { status, body: body.slice(0, -1) });
  },
  wrong_shape: (response) => sendAnswer(response, json(200, { resultado: 'ok' })),
  html: (response) => sendAnswer(response, { status: 200, body: page, type: 'text/html; charset=utf-8' }),
  oversized: (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const chunk = ' '.repeat(1_048_576);
    const more = (): void => {
      if (!response.destroyed) response.write(chunk, more);
    };
    more();
  },
  type_change: (response, { field }, answer) =>
    sendAnswer(
      response,
      ofRecords(answer(), (record) => {
        const name = field ?? lastField(record);
        if (name !== undefined) record[name] = ofAnotherType(record[name]);
      }),
    ),
  dropped_field: (response, { field }, answer) =>
    sendAnswer(
      response,
      ofRecords(answer(), (record) => {
        const name = field ?? lastField(record);
        if (name !== undefined) delete record[name];
      }),
    ),
  added_field: (response, { field }, answer) =>
    sendAnswer(
      response,
      ofRecords(answer(), (record) => {
        record[field ?? 'campo_novo'] = 'novo';
      }),
    ),
  empty: (response, _, answer) => sendAnswer(response, withoutRecords(answer())),
};

/** Spoils one answer. Without a fault (a request's own header) with the usual figures. */
export const spoil = (
  response: ServerResponse,
  kind: SpoilingKind,
  fault: SpoilingFault | undefined,
  answer: () => HttpAnswer,
): void => spoilers[kind](response, fault ?? { status: 503, retryAfterSeconds: 1 }, answer);

/** The header `X-Sandbox-Fault`, which spoils a single request. */
export const faultOfHeader = (request: IncomingMessage): FaultKind | undefined =>
  faultKinds.find((kind) => kind === request.headers['x-sandbox-fault']);

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
