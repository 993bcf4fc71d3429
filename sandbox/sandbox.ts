import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ApiServices, apiServices } from './apis/api-services.ts';
import { type Changes, createChanges } from './apis/changes.ts';
import { createCalls } from './calls.ts';
import { answerControl, type ControlDeps } from './control.ts';
import { openDirectory } from './directory.ts';
import { createFaults, type Faults } from './faults.ts';
import { json, readBody, sendAnswer } from './http-answer.ts';
import { type Issuer, openIssuer } from './issuer.ts';
import { type MailSink, startMailSink } from './mail.ts';
import { type PartnerServices, partnerServices } from './partner-services.ts';
import { createSentNotifications, type SentNotification } from './sent-notifications.ts';
import { createWebhooks } from './webhooks.ts';

export type SandboxOptions = {
  /** 0: any free port. */
  port: number;
  /** A loopback address: whoever reaches the sandbox gets tokens from it. */
  host?: string;
  /** Folder that keeps the issuer's keys. */
  home: string;
  /** The same seed gives the same companies. */
  seed?: number;
  /** How many companies beside the named ones. */
  companies?: number;
  /** How long every partner and every public API takes to answer. */
  latencyMs?: number;
  clock?: () => Date;
  log?: { info(fields: object, message: string): void };
};

export type Sandbox = {
  /** Base address: `PARTNERS_URL`. */
  readonly url: string;
  /** `OIDC_ISSUER`. */
  readonly issuer: string;
  /** `SMTP_URL`. */
  readonly smtp: string;
  /** The same controls as under `/sandbox`, for tests in this process. */
  readonly faults: Faults;
  readonly changes: Changes;
  readonly calls: ControlDeps['calls'];
  readonly notifications: () => SentNotification[];
  readonly mail: MailSink;
  close(): Promise<void>;
};

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

const listen = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });

const control = async (deps: ControlDeps, request: IncomingMessage, response: ServerResponse) => {
  const url = new URL(request.url ?? '/', 'http://sandbox');
  const asked = {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    text: await readBody(request),
    headers: request.headers,
  };
  sendAnswer(response, answerControl(deps, asked));
};

type Parts = {
  services: PartnerServices;
  apis: ApiServices;
  issuer: () => Issuer | undefined;
  control: ControlDeps;
};

const route = async (parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  if (await parts.services.handle(request, response)) return;
  if (await parts.apis.handle(request, response)) return;
  const path = request.url ?? '/';
  const issuer = parts.issuer();
  if (issuer && /^\/oidc(?:[/?]|$)/.test(path)) return issuer.handle(request, response);
  await control(parts.control, request, response);
};

/**
 * Starts the stand-ins for the bank's partners, its identity provider and the public APIs on one port of the loopback interface.
 * @throws Error where `host` is not loopback, or the port is taken (`EADDRINUSE`).
 */
export const startSandbox = async (options: SandboxOptions): Promise<Sandbox> => {
  const { host = '127.0.0.1', seed = 20_261_122, companies = 1_000 } = options;
  if (!loopback.has(host)) {
    throw new Error(`expected a loopback address for the sandbox, found ${host}: it gives tokens to anybody`);
  }
  const deps: ControlDeps = {
    directory: openDirectory(seed, companies),
    faults: createFaults(),
    changes: createChanges(),
    calls: createCalls(),
    sent: createSentNotifications(),
    webhooks: createWebhooks(),
    mail: await startMailSink(host === 'localhost' ? '127.0.0.1' : host),
  };
  let issuer: Issuer | undefined;
  const parts: Parts = {
    services: partnerServices({ ...deps, latencyMs: options.latencyMs ?? 0 }),
    apis: apiServices({
      ...deps,
      latencyMs: options.latencyMs ?? 0,
      clock: options.clock ?? (() => new Date()),
    }),
    issuer: () => issuer,
    control: deps,
  };
  const server = createServer((request, response) => {
    route(parts, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendAnswer(response, json(500, { error: error instanceof Error ? error.message : 'failed' }));
    });
  });
  // Longer than any client keeps an idle connection, so that the sandbox never closes one that is about to be used.
  server.keepAliveTimeout = 60_000;
  const port = await listen(server, options.port, host).catch(async (error: unknown) => {
    await deps.mail.close();
    throw error;
  });
  const url = `http://${host === '::1' ? '[::1]' : host}:${port}`;
  const close = async (): Promise<void> => {
    await deps.mail.close();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };
  try {
    issuer = await openIssuer(url, options.home);
  } catch (error) {
    await close();
    throw error;
  }
  options.log?.info({ url, issuer: issuer.url }, 'sandbox listens');
  return {
    url,
    issuer: issuer.url,
    smtp: deps.mail.url,
    mail: deps.mail,
    faults: deps.faults,
    changes: deps.changes,
    calls: deps.calls,
    notifications: deps.sent.list,
    close,
  };
};
