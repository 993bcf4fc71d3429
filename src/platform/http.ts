import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { jsonSchemaTransform, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { Redis } from 'ioredis';
import { Histogram } from 'prom-client';
import { newId } from '../shared/ids.ts';
import { type Authenticate, type Principal, requireScope, type Scope } from './auth.ts';
import { readJsonBody } from './http-json.ts';
import { openLimits, type RateLimits, rateWindowMs } from './http-limits.ts';
import { checkBySchema, problemOf, refuseConnection } from './http-problems.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { Problem, problemBody, problemTypes } from './problem.ts';

/**
 * Who may call a route: anyone; anyone, as often as they like (probes of load balancers); callers on this machine, or
 * elsewhere with `ops:read`; or holders of a scope. Every route says so.
 */
export type Access = 'public' | 'probe' | 'loopback' | Scope;

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    /** Set before the handler of every route that needs a scope. */
    principal: Principal | undefined;
    /** The order that a request is about, for its log line; from the path where that names it. */
    orderKey: string | undefined;
  }
}

export type App = ReturnType<typeof createApp>;

export type HttpDeps = {
  log: Log;
  metrics: Metrics;
  authenticate: Authenticate;
  limits: RateLimits;
  /** Addresses and networks whose `X-Forwarded-For` is believed. Default: nobody's. */
  trustedProxies?: readonly string[] | undefined;
  redisUrl?: string | undefined;
  /** Answers whether the service can do its work, for `/readyz`; a rejection is "not ready", and why is logged. */
  ready: () => Promise<void>;
  /** Given: OpenAPI document, its page and the problem types are served, with this version. */
  version?: string;
};

const bodyLimit = 1_048_576;
const docsPage = '/docs';

/** A request id is taken over only in a harmless form: it ends up in logs and in partners' headers. */
const requestIdOf = (header: string | string[] | undefined): string =>
  typeof header === 'string' && /^[\w.-]{8,128}$/.test(header) ? header : newId('req', new Date());

const sendProblem = (reply: FastifyReply, problem: Problem, requestId: string): FastifyReply => {
  const body = problemBody(problem);
  return reply
    .code(body.status)
    .headers(problem.headers)
    .type('application/problem+json')
    .send(JSON.stringify({ ...body, requestId }));
};

const createApp = ({ log, trustedProxies }: Pick<HttpDeps, 'log' | 'trustedProxies'>) =>
  Fastify({
    loggerInstance: log as FastifyBaseLogger,
    trustProxy: trustedProxies?.length ? [...trustedProxies] : false,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    genReqId: (request) => requestIdOf(request.headers['x-request-id']),
    routerOptions: { maxParamLength: 128 },
    // A caller that opens a connection and sends nothing must not hold it for ever.
    connectionTimeout: 60_000,
    requestTimeout: 30_000,
    forceCloseConnections: 'idle',
    clientErrorHandler: refuseConnection,
    // Without a host is no HTTP/1.1 (RFC 9112, section 3.2); Node's own refusal says nothing.
    http: { requireHostHeader: false },
    // Addresses that can't be routed: no hook and no error handler sees these.
    frameworkErrors: (error, request, reply: FastifyReply) => {
      const problem = new Problem('not-found', `There is nothing at such an address: ${error.code}.`);
      void sendProblem(reply.header('x-request-id', request.id), problem, request.id);
    },
  }).withTypeProvider<ZodTypeProvider>();

/** The principal of a request on a route that needs a scope. */
export const principalOf = (request: FastifyRequest): Principal => {
  if (!request.principal)
    throw new Error(`route ${request.routeOptions.url} was reached without a principal`);
  return request.principal;
};

/** A proxy on this machine passes on what comes from elsewhere, and says so. */
const isFromThisMachine = ({ socket, headers }: FastifyRequest): boolean =>
  ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(socket.remoteAddress ?? '') &&
  headers['x-forwarded-for'] === undefined &&
  headers.forwarded === undefined;

/**
 * The HTTP server without the capabilities' routes: tokens and scopes, rate limits, security headers, request
 * ids, problem+json, health, metrics, OpenAPI. A route that does not declare its `access` fails at start-up,
 * so that none is open by being forgotten.
 */
export const openHttp = async (deps: HttpDeps): Promise<App> => {
  const app = createApp(deps);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_: unknown, body: Buffer) =>
    readJsonBody(body),
  );
  app.setValidatorCompiler(checkBySchema);
  // Answers are built by our own code from our own types; validating each again would cost more than it finds.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));

  traceRequests(app);
  // Before anything that refuses: a refusal carries these headers too.
  await app.register(helmet, { contentSecurityPolicy: false });
  guard(app, deps, await limitRates(app, deps));
  refuseWhatIsNotPlain(app);
  observe(app, deps);
  answerProblems(app);
  if (deps.version !== undefined) await describe(app, deps.version);
  serveHealth(app, deps);
  return app;
};

/** Requests that no route could read rightly, whatever they ask for. */
const refuseWhatIsNotPlain = (app: App): void => {
  app.addHook('onRequest', async ({ headers, raw }) => {
    if (headers.host === undefined && raw.httpVersion === '1.1')
      throw new Problem('malformed-request', 'The request has no Host header.');
    const coding = headers['content-encoding'] ?? 'identity';
    if (coding.toLowerCase() !== 'identity')
      throw new Problem('unsupported-media-type', 'Send the body as it is, without Content-Encoding.');
  });
};

/** A span for each request; without `startTelemetry` they are no-ops. A caller's trace (W3C) is continued. */
const traceRequests = (app: App): void => {
  const tracer = trace.getTracer('lastro.http');
  const spans = new WeakMap<FastifyRequest, Span>();
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.access === 'loopback') return;
    const route = request.routeOptions.url ?? 'unknown';
    const attributes = { 'http.request.method': request.method, 'http.route': route };
    const parent = propagation.extract(context.active(), request.headers);
    spans.set(
      request,
      tracer.startSpan(`${request.method} ${route}`, { kind: SpanKind.SERVER, attributes }, parent),
    );
  });
  // Made current only once the body is read: its events come in the context of the connection.
  app.addHook('preValidation', (request, _reply, done) => {
    const span = spans.get(request);
    if (span) context.with(trace.setSpan(context.active(), span), done);
    else done();
  });
  app.addHook('onResponse', async (request, reply) => {
    const span = spans.get(request);
    span?.setAttribute('http.response.status_code', reply.statusCode);
    if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
  });
};

const guard = (
  app: App,
  { authenticate, trustedProxies, log }: HttpDeps,
  limits: ReturnType<typeof openLimits>,
): void => {
  let proxySeen = trustedProxies !== undefined;
  app.decorateRequest('principal', undefined);
  app.decorateRequest('orderKey', undefined);
  app.addHook('onRoute', (route) => {
    // The page's routes are a library's, which knows nothing of access.
    if (route.url === docsPage || route.url.startsWith(`${docsPage}/`))
      route.config = { ...route.config, access: 'public' };
    if (!route.config?.access)
      throw new Error(`route ${String(route.method)} ${route.url} declares no access`);
  });
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    const access = request.routeOptions.config.access;
    if (access === 'probe') return;
    if (!proxySeen && request.headers['x-forwarded-for'] !== undefined) {
      proxySeen = true;
      log.warn(
        { from: request.ip },
        'a request came through a proxy that LASTRO_TRUSTED_PROXIES does not name: all behind it count as one address',
      );
    }
    if (access === undefined || access === 'public') return limits.address.count(request, reply);
    // Answers name people: they are for the caller alone, and for no cache on the way.
    void reply.header('cache-control', 'no-store');
    if (access === 'loopback' && isFromThisMachine(request)) return;
    // Checking a signature costs more than anything else that a stranger can ask for.
    const { authorization } = request.headers;
    if (!authenticate.wasGood?.(authorization)) await limits.refused.check(request, reply);
    try {
      request.principal = await authenticate(authorization);
    } catch (error) {
      if (error instanceof Problem && error.type === 'unauthenticated')
        await limits.refused.count(request, reply);
      throw error;
    }
    await limits.client.count(request, reply);
    requireScope(request.principal, access === 'loopback' ? 'ops:read' : access);
  });
};

const limitRates = async (
  app: App,
  { limits, redisUrl, log }: HttpDeps,
): Promise<ReturnType<typeof openLimits>> => {
  const redis = redisUrl
    ? new Redis(redisUrl, { maxRetriesPerRequest: 1, enableOfflineQueue: false })
    : undefined;
  redis?.on('error', (error: Error) => log.warn({ err: error.message }, 'redis is not reachable'));
  app.addHook('onClose', async () => redis?.disconnect());
  await app.register(rateLimit, {
    global: false,
    timeWindow: rateWindowMs,
    ...(redis ? { redis } : {}),
    // Without Redis answering, requests go through: a cache's outage must not close the desk.
    skipOnError: true,
  });
  return openLimits(app, limits);
};

const observe = (app: App, { metrics, log }: HttpDeps): void => {
  const duration = new Histogram({
    name: 'lastro_http_request_duration_seconds',
    help: 'Time from the request to the end of its answer.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [metrics],
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1_000);
    if (request.routeOptions.config.access === 'loopback') return;
    log.info(
      {
        requestId: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        clientId: request.principal?.clientId,
        orderKey: request.orderKey ?? (request.params as Record<string, unknown> | undefined)?.orderKey,
      },
      'request',
    );
  });
};

const answerProblems = (app: App): void => {
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problemTypes[problem.type].status >= 500)
      request.log.error({ err: error, requestId: request.id }, 'request failed');
    return sendProblem(reply, problem, request.id);
  });
  app.setNotFoundHandler((request, reply) => {
    const problem = new Problem(
      'not-found',
      `There is nothing at ${request.method} ${request.url.split('?')[0]}.`,
    );
    return sendProblem(reply, problem, request.id);
  });
};

const describe = async (app: App, version: string): Promise<void> => {
  const [{ default: swagger }, { default: scalar }] = await Promise.all([
    import('@fastify/swagger'),
    import('@scalar/fastify-api-reference'),
  ]);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Lastro',
        version,
        description: 'The signature-order desk. Errors are `application/problem+json` (RFC 9457).',
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      security: [{ bearer: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await app.register(scalar, {
    routePrefix: docsPage,
    // Nothing on the page may send what it shows, or its reader, to another company.
    configuration: {
      url: '/openapi.json',
      telemetry: false,
      withDefaultFonts: false,
      hideClientButton: true,
      showDeveloperTools: 'never',
      agent: { disabled: true },
      mcp: { disabled: true },
    },
  });
  app.get('/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, async () =>
    app.swagger(),
  );
  app.get('/problems/:type', { config: { access: 'public' }, schema: { hide: true } }, async (request) => {
    const { type } = request.params as { type: string };
    const known = Object.entries(problemTypes).find(([name]) => name === type);
    if (!known) throw new Problem('not-found', `There is no problem type ${type}.`);
    return { type: `/problems/${type}`, ...known[1] };
  });
};

/** However many ask, what they ask for is looked up once in `ms`; those who come meanwhile get the same answer. */
const atMostOnceIn = (ms: number, ask: () => Promise<void>): (() => Promise<void>) => {
  let answer: Promise<void> | undefined;
  return () => {
    if (!answer) {
      answer = ask();
      setTimeout(() => (answer = undefined), ms).unref();
    }
    return answer;
  };
};

const serveHealth = (app: App, { metrics, ready, log }: HttpDeps): void => {
  const isReady = atMostOnceIn(1_000, ready);
  app.get('/livez', { config: { access: 'probe' }, schema: { hide: true } }, async () => ({ status: 'ok' }));
  app.get('/readyz', { config: { access: 'probe' }, schema: { hide: true } }, async () => {
    await isReady().catch((error: unknown) => {
      // Anyone may ask, and a database's words name hosts and users: they are for the log.
      log.warn({ err: error }, 'not ready');
      throw new Problem('unavailable', 'What the service needs does not answer; the log says what.');
    });
    return { status: 'ok' };
  });
  app.get('/metrics', { config: { access: 'loopback' }, schema: { hide: true } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  );
};

/** Registers a capability's routes. */
export type Routes = (app: App) => void | Promise<void>;
