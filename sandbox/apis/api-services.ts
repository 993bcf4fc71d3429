import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Calls } from '../calls.ts';
import type { Faults } from '../faults.ts';
import { type HttpAnswer, json, sendAnswer } from '../http-answer.ts';
import { faultOfHeader, spoil, wait } from '../spoilers.ts';
import type { AnswerApi } from './api-request.ts';
import { answerBrasilApi } from './brasilapi.ts';
import { type Changes, type SandboxApi, sandboxApis } from './changes.ts';
import { answerIbge } from './ibge.ts';
import { answerPtax } from './ptax.ts';
import { answerSgs } from './sgs.ts';

const answers: Record<SandboxApi, AnswerApi> = {
  sgs: answerSgs,
  ptax: answerPtax,
  ibge: answerIbge,
  brasilapi: answerBrasilApi,
};

export type ApiServicesDeps = {
  faults: Faults;
  calls: Calls;
  changes: Changes;
  /** How long every API takes to answer. */
  latencyMs: number;
  /** What is after its day is not published yet. */
  clock: () => Date;
};

export type ApiServices = {
  /** Answers a request to one of the public APIs; false: it is not for one. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
};

const notFound: HttpAnswer = json(404, { message: 'not found' });
const readOnly: HttpAnswer = json(405, { message: 'method not allowed' }, { allow: 'GET' });

/** The public APIs, each below `/apis/<name>` as the real one is below its host. */
export const apiServices = ({ faults, calls, changes, latencyMs, clock }: ApiServicesDeps): ApiServices => ({
  handle: async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://sandbox');
    const [, folder, name = ''] = url.pathname.split('/', 3);
    const api = folder === 'apis' ? sandboxApis.find((one) => one === name) : undefined;
    if (!api) return false;
    calls.count(api, 'requests');
    const { waitMs, fault } = faults.take(api, undefined);
    if (latencyMs + waitMs > 0) await wait(latencyMs + waitMs);
    const work = (): HttpAnswer => {
      if (request.method !== 'GET') return readOnly;
      const path = decodeURIComponent(url.pathname.slice(`/apis/${api}`.length));
      const today = clock().toISOString().slice(0, 10);
      return answers[api]({ path, query: url.searchParams, changes, today }) ?? notFound;
    };
    const kind = faultOfHeader(request) ?? fault?.kind;
    if (kind === undefined || kind === 'latency') sendAnswer(response, work());
    else {
      calls.count(api, 'spoiled');
      spoil(response, kind, fault, work);
    }
    return true;
  },
});
