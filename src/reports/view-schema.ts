import { z } from 'zod';
import { reportStatuses } from './report.ts';

/** What the routes of reports answer, as the OpenAPI document shows it. The types of `view.ts` are held to it. */
const instant = z.string().describe('RFC 3339, UTC.');
const formats = z.enum(['csv', 'json', 'ndjson', 'parquet', 'xlsx', 'pdf']);
const parameterNames = z.enum([
  'areaId',
  'contractId',
  'clientId',
  'requesterId',
  'participantId',
  'orderId',
]);

export const reportSchema = z
  .object({
    reportId: z.string(),
    status: z.enum(reportStatuses),
    purpose: z.string(),
    request: z.object({
      kind: z.string(),
      parameters: z.partialRecord(parameterNames, z.string().optional()),
      from: instant.optional(),
      to: instant.optional(),
      status: z.string().optional(),
      format: formats,
      options: z.object({
        separator: z.enum([',', ';']).optional(),
        bom: z.boolean().optional(),
        json: z.enum(['flat', 'kept']).optional(),
      }),
    }),
    unmasked: z.boolean(),
    progress: z
      .object({ rows: z.int().nullable(), expectedRows: z.int().nullable() })
      .describe('While it is made; null before they are known.'),
    failure: z
      .object({
        reason: z.enum(['not_allowed', 'too_large', 'time_limit', 'interrupted', 'technical']),
        message: z.string(),
      })
      .nullable(),
    rows: z.int().nullable(),
    bytes: z.int().nullable(),
    sha256: z.string().nullable(),
    contentType: z.string().nullable(),
    fileName: z.string().nullable(),
    snapshotId: z.string().nullable(),
    reusedFrom: z.string().nullable(),
    createdAt: instant,
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    expiresAt: instant.nullable(),
    downloads: z.int(),
    unread: z.boolean().describe('Ended, and neither downloaded nor marked as read since.'),
    links: z.object({ self: z.string(), download: z.string().nullable() }),
  })
  .meta({ title: 'Report' });

export const reportPageSchema = z.object({
  items: z.array(reportSchema),
  next: z.string().nullable(),
  unread: z.int().describe('How many reports of the caller ended unread.'),
});

export const reportKindsSchema = z.object({
  items: z.array(
    z
      .object({
        name: z.string(),
        title: z.string(),
        about: z.string(),
        audience: z.enum(['client', 'area']),
        includesCurrent: z.boolean(),
        parameters: z.array(z.object({ name: parameterNames, required: z.boolean(), about: z.string() })),
        columns: z.array(
          z.object({
            name: z.string(),
            title: z.string(),
            type: z.enum(['text', 'integer', 'timestamp', 'list', 'json']),
          }),
        ),
      })
      .meta({ title: 'ReportKind' }),
  ),
});

export const downloadLinkSchema = z.object({
  url: z.string().describe('Needs no token: do not hand it on.'),
  expiresInSeconds: z.int(),
});
