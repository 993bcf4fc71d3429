import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { principalOf, type Routes } from '../platform/http.ts';
import { idempotencyHeader } from '../platform/idempotency.ts';
import { Problem } from '../platform/problem.ts';
import type { ReportKindDescription } from './contract.ts';
import { cancelReport, downloadLink, findReport, listReports, markRead, type OwnerDeps } from './owner.ts';
import { type Caller, type PlaceDeps, placeReport, waitForReport } from './place.ts';
import { isEnded, isReportId, reportStatuses } from './report.ts';
import { reportRequestSchema } from './request.ts';
import { deliveryFields, purposeSchema } from './request-body.ts';
import { parseSubjectRequest, type SubjectDeps, subjectReport } from './subject.ts';
import { reportView } from './view.ts';
import { downloadLinkSchema, reportKindsSchema, reportPageSchema, reportSchema } from './view-schema.ts';

export type ReportRoutesDeps = PlaceDeps &
  OwnerDeps &
  SubjectDeps & { readonly kinds: readonly ReportKindDescription[] };

const callerOf = (request: FastifyRequest): Caller => ({
  principal: principalOf(request),
  requestId: request.id,
  origin: 'api',
});

const idParams = z.object({ reportId: z.string().max(64) });

const placeQuery = z.strictObject({
  wait: z.coerce
    .number()
    .int()
    .min(0)
    .max(10)
    .default(0)
    .describe('Seconds to wait for the end, for reports that are small: then the answer is 200.'),
});

/** Read here, because the route's body is read by our own code and a route has one reader. */
const waitOf = (query: unknown): number => {
  const { data, error } = placeQuery.safeParse(query);
  if (data) return data.wait;
  throw new Problem('validation-failed', 'The query of the address is not valid.', {
    violations: error.issues.map(({ path, message }) => ({ pointer: `/${path.join('/')}`, message })),
  });
};

const listQuery = z.strictObject({
  status: z.enum(reportStatuses).optional(),
  kind: z
    .string()
    .regex(/^[a-z-]{1,60}$/, 'expected the name of a kind, such as area-orders')
    .optional(),
  unread: z
    .enum(['true', 'false'])
    .optional()
    .describe('true: only those that ended and were not downloaded or marked as read since.'),
  cursor: z.string().max(64).optional().describe('The `next` of the page before.'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const checkCursor = (cursor: string | undefined): string | undefined => {
  if (cursor === undefined || isReportId(cursor)) return cursor;
  throw new Problem('invalid-cursor', 'Pass the "next" of the page before, as it is.');
};

const placeDescription =
  'Answers 202 with the report as it stands and where to look (`Location`, `Retry-After`); 200 where it has ended ' +
  'already: within `wait` seconds, or because the file of an equal request is young enough to be given again. With ' +
  '`Idempotency-Key`, the same body within 24 hours is answered again instead of done again. 429 `report-limit` ' +
  'says which limit of the client is reached and when to try again.';

/** Seconds after which it makes sense to look at a report again. */
const lookAgain = '2';

/** The routes of reports. */
export const reportRoutes =
  (deps: ReportRoutesDeps): Routes =>
  (app) => {
    const tags = ['reports'];
    // For the documentation alone: `parseReportBody` reads it, and tells all violations at once.
    const body = reportRequestSchema.extend(deliveryFields);
    app.post(
      '/v1/reports',
      {
        config: { access: 'reports:write' },
        validatorCompiler: () => (value: unknown) => ({ value }),
        schema: {
          body,
          querystring: placeQuery,
          response: { 200: reportSchema, 202: reportSchema },
          tags,
          summary: 'Asks for a report',
          description: placeDescription,
        },
      },
      async (request, reply) => {
        const wait = waitOf(request.query);
        const placed = await placeReport(
          deps,
          callerOf(request),
          request.body,
          idempotencyHeader(request.headers),
        );
        if (placed.replayed) void reply.header('idempotent-replayed', 'true');
        void reply.header('location', placed.location).type('application/json');
        const id = placed.location.split('/').at(-1) ?? '';
        const now =
          wait > 0 && placed.status === 202 ? await waitForReport(deps.db, id, { seconds: wait }) : null;
        if (now && isEnded(now)) return reply.code(200).send(reportView(now, deps.clock()));
        if (placed.status === 202) void reply.header('retry-after', lookAgain);
        return reply
          .code(placed.status as 202)
          .serializer((text: string) => text)
          .send(placed.body as never);
      },
    );
    app.get(
      '/v1/reports/kinds',
      {
        config: { access: 'reports:read' },
        schema: {
          response: { 200: reportKindsSchema },
          tags,
          summary: 'The kinds of report, with their parameters and columns',
        },
      },
      async () => ({ items: deps.kinds }) as z.output<typeof reportKindsSchema>,
    );
    app.get(
      '/v1/reports',
      {
        config: { access: 'reports:read' },
        schema: {
          querystring: listQuery,
          response: { 200: reportPageSchema },
          tags,
          summary: "The caller's reports, newest first, and how many ended unread",
        },
      },
      async (request) => {
        const { cursor, unread, ...filter } = request.query;
        return listReports(deps, principalOf(request), {
          ...filter,
          unread: unread === 'true',
          after: checkCursor(cursor),
        });
      },
    );
    app.get(
      '/v1/reports/:reportId',
      {
        config: { access: 'reports:read' },
        schema: {
          params: idParams,
          response: { 200: reportSchema },
          tags,
          summary: 'Status, progress, size and hash of a report',
        },
      },
      async (request, reply) => {
        const report = await findReport(deps.db, principalOf(request), request.params.reportId);
        if (!isEnded(report)) void reply.header('retry-after', lookAgain);
        return reportView(report, deps.clock());
      },
    );
    addActions(app, deps);
    addSubject(app, deps);
  };

const subjectBody = z.strictObject({
  document: z
    .string()
    .describe('The CPF of the person: eleven digits. In the body, because addresses are logged.'),
  purpose: purposeSchema,
});

const addSubject = (app: Parameters<Routes>[0], deps: ReportRoutesDeps): void => {
  app.post(
    '/v1/reports/subject',
    {
      config: { access: 'admin' },
      // Our own reader: the validator's messages would repeat what was sent.
      validatorCompiler: () => (value: unknown) => ({ value }),
      schema: {
        body: subjectBody,
        tags: ['reports'],
        summary: 'Everything that is held on one person (LGPD, art. 18)',
      },
    },
    async (request, reply) => {
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      return subjectReport(deps, callerOf(request), parseSubjectRequest(request.body), gone.signal);
    },
  );
};

const addActions = (app: Parameters<Routes>[0], deps: ReportRoutesDeps): void => {
  const tags = ['reports'];
  app.post(
    '/v1/reports/:reportId/cancel',
    {
      config: { access: 'reports:write' },
      schema: {
        params: idParams,
        response: { 200: reportSchema },
        tags,
        summary: 'Cancels a report that has not ended',
      },
    },
    async (request) => cancelReport(deps, callerOf(request), request.params.reportId),
  );
  app.post(
    '/v1/reports/:reportId/read',
    {
      config: { access: 'reports:read' },
      schema: {
        params: idParams,
        response: { 200: reportSchema },
        tags,
        summary: 'Marks the notice of an ended report as read',
      },
    },
    async (request) => markRead(deps, principalOf(request), request.params.reportId),
  );
  app.get(
    '/v1/reports/:reportId/download',
    {
      config: { access: 'reports:read' },
      schema: {
        params: idParams,
        tags,
        summary: 'Redirects to a link to the file that lives for minutes',
        description:
          'The rights are checked again, as they are now, and the download is noted in the audit trail. The link needs no token: do not hand it on. With `Accept: application/json` the link itself is the answer (200), for pages, which see no redirection.',
        response: { 200: downloadLinkSchema },
      },
    },
    async (request, reply) => {
      const link = await downloadLink(deps, callerOf(request), request.params.reportId);
      if (/^application\/json\b/i.test(request.headers.accept ?? ''))
        return reply.header('vary', 'accept').send({ url: link, expiresInSeconds: deps.limits.linkSeconds });
      return reply.header('referrer-policy', 'no-referrer').redirect(link, 303);
    },
  );
};
