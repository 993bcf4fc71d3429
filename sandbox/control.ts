import { z } from 'zod';
import { type Changes, changeSchema } from './apis/changes.ts';
import type { Calls } from './calls.ts';
import { sandboxCases, undeterminedCases } from './cases.ts';
import type { Directory } from './directory.ts';
import { type Faults, faultSchema } from './faults.ts';
import { type HttpAnswer, json, parseJson } from './http-answer.ts';
import type { MailSink } from './mail.ts';
import type { SentNotifications } from './sent-notifications.ts';
import type { Webhooks } from './webhooks.ts';

export type ControlDeps = {
  directory: Directory;
  faults: Faults;
  changes: Changes;
  calls: Calls;
  sent: SentNotifications;
  webhooks: Webhooks;
  mail: MailSink;
};

type Asked = {
  method: string;
  path: string;
  query: URLSearchParams;
  text: string;
  headers: Record<string, unknown>;
};

const done: HttpAnswer = { status: 204, body: '' };

const addFault = ({ faults }: ControlDeps, text: string): HttpAnswer => {
  const parsed = faultSchema.safeParse(parseJson(text));
  return parsed.success
    ? json(201, faults.add(parsed.data))
    : json(422, { error: z.prettifyError(parsed.error) });
};

const addChange = ({ changes }: ControlDeps, text: string): HttpAnswer => {
  const parsed = changeSchema.safeParse(parseJson(text));
  if (!parsed.success) return json(422, { error: z.prettifyError(parsed.error) });
  changes.add(parsed.data);
  return json(201, parsed.data);
};

const receiveWebhook = ({ webhooks }: ControlDeps, name: string, asked: Asked): HttpAnswer => {
  const status = webhooks.receive(name, {
    headers: asked.headers,
    body: asked.text,
    failWith: Number(asked.query.get('status') ?? 500),
    failTimes: Number(asked.query.get('times') ?? 0),
  });
  return { status, body: '' };
};

type Route = [
  method: string,
  path: RegExp,
  answer: (deps: ControlDeps, asked: Asked, part: string) => HttpAnswer,
];

const routes: readonly Route[] = [
  ['GET', /^\/sandbox\/cases$/, () => json(200, sandboxCases())],
  ['GET', /^\/sandbox\/cases\/undetermined$/, () => json(200, undeterminedCases())],
  ['GET', /^\/sandbox\/companies$/, ({ directory }) => json(200, directory.list())],
  [
    'GET',
    /^\/sandbox\/companies\/([^/]+)$/,
    ({ directory }, _, cnpj) => {
      const company = directory.company(cnpj);
      return company ? json(200, company) : json(404, { error: 'no such company' });
    },
  ],
  ['GET', /^\/sandbox\/faults$/, ({ faults }) => json(200, faults.list())],
  ['POST', /^\/sandbox\/faults$/, (deps, { text }) => addFault(deps, text)],
  [
    'DELETE',
    /^\/sandbox\/faults(?:\/(\d+))?$/,
    ({ faults }, _, id) => {
      faults.remove(id === '' ? undefined : Number(id));
      return done;
    },
  ],
  ['GET', /^\/sandbox\/changes$/, ({ changes }) => json(200, changes.list())],
  ['POST', /^\/sandbox\/changes$/, (deps, { text }) => addChange(deps, text)],
  [
    'DELETE',
    /^\/sandbox\/changes$/,
    ({ changes }) => {
      changes.clear();
      return done;
    },
  ],
  [
    'GET',
    /^\/sandbox\/calls$/,
    ({ calls, sent }, { query }) =>
      json(200, { ...calls.snapshot(query.get('company') ?? undefined), notifications: sent.count() }),
  ],
  [
    'DELETE',
    /^\/sandbox\/calls$/,
    ({ calls, sent }) => {
      calls.reset();
      sent.reset();
      return done;
    },
  ],
  ['GET', /^\/sandbox\/mail$/, ({ mail }) => json(200, mail.list())],
  [
    'DELETE',
    /^\/sandbox\/mail$/,
    ({ mail }) => {
      mail.clear();
      return done;
    },
  ],
  ['GET', /^\/sandbox\/notifications$/, ({ sent }) => json(200, sent.list())],
  ['POST', /^\/sandbox\/webhooks\/([^/]+)$/, (deps, asked, name) => receiveWebhook(deps, name, asked)],
  ['GET', /^\/sandbox\/webhooks\/([^/]+)$/, ({ webhooks }, _, name) => json(200, webhooks.list(name))],
  [
    'DELETE',
    /^\/sandbox\/webhooks\/([^/]+)$/,
    ({ webhooks }, _, name) => {
      webhooks.clear(name);
      return done;
    },
  ],
];

/** The sandbox's own interface, by which tests and demos steer it. */
export const answerControl = (deps: ControlDeps, asked: Asked): HttpAnswer => {
  for (const [method, path, answer] of routes) {
    const match = method === asked.method ? path.exec(asked.path) : null;
    if (match) return answer(deps, asked, decodeURIComponent(match[1] ?? ''));
  }
  return json(404, { error: 'no such path; docs/sandbox.md lists them' });
};
