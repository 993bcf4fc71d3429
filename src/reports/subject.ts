import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { recordAudit } from '../platform/audit.ts';
import type { Principal } from '../platform/auth.ts';
import type { FieldViolation } from '../platform/problem.ts';
import { Problem } from '../platform/problem.ts';
import { isCpf } from '../shared/cpf-cnpj.ts';
import { maskText } from '../shared/mask.ts';
import type { ReportMaker } from './maker.ts';
import type { Caller } from './place.ts';
import { purposeSchema } from './request-body.ts';
import { readWithdrawals, viewerOf, withoutWithdrawn } from './rights.ts';
import { type HeldOrder, type IssuedReport, issuedReports, ordersOf } from './subject-rows.ts';

export type SubjectDeps = {
  readonly db: Pool;
  readonly maker: Pick<ReportMaker, 'parse' | 'produce'>;
  readonly clock: () => Date;
  /** The opaque id of a person: what the audit trail may hold. */
  readonly idOf: (document: string) => string;
  readonly workFolder: () => Promise<string>;
};

/** What is held on one person. Other people's data is masked; theirs is as it is. */
export type SubjectReport = {
  readonly subject: string;
  readonly purpose: string;
  readonly generatedAt: string;
  /** Orders of the desk's own database. */
  readonly currentOrders: readonly HeldOrder[];
  readonly archive: {
    /** The version of the archive that was read; null where there is none yet. */
    readonly snapshotId: string | null;
    readonly orders: readonly unknown[];
    readonly participantMetadata: readonly unknown[];
    readonly participantEvents: readonly unknown[];
  };
  /** Reports that were asked for about the person, by whom and why, and who took them. */
  readonly issuedReports: readonly IssuedReport[];
  readonly notes: readonly string[];
};

const notes = [
  'archive.orders mask the documents of other people; archive.participantMetadata and participantEvents hold only entries of this person.',
  'issuedReports are those that name the person. Reports over a whole area may hold the person without naming them; their files are removed after some days, and who asked for them and why stays in the audit trail.',
];

/** What a request must be. @throws Problem `validation-failed`, which never repeats what was sent */
export const parseSubjectRequest = (body: unknown): { cpf: string; purpose: string } => {
  const given = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const purpose = purposeSchema.safeParse(given.purpose);
  const violations: FieldViolation[] = (purpose.error?.issues ?? []).map(({ message }) => ({
    pointer: '/purpose',
    message,
  }));
  const cpf = typeof given.document === 'string' && isCpf(given.document) ? given.document : undefined;
  if (cpf === undefined)
    violations.push({ pointer: '/document', message: 'expected a valid CPF: eleven digits, no punctuation' });
  if (cpf === undefined || !purpose.success)
    throw new Problem('validation-failed', 'See violations.', { violations });
  return { cpf, purpose: purpose.data };
};

/**
 * Everything that is held on one person: orders of the desk, the archive, and reports that were issued about them
 * (LGPD, Lei 13.709/2018, art. 18, I, II and VII). The access is in the audit trail before anything is read, under the
 * person's opaque id. A part that can't be read fails the whole: an answer without it would say that there is nothing.
 */
export const subjectReport = async (
  deps: SubjectDeps,
  { principal, requestId, origin }: Caller,
  { cpf, purpose }: { cpf: string; purpose: string },
  signal: AbortSignal,
): Promise<SubjectReport> => {
  await checkWholeBank(deps.db, principal);
  const at = deps.clock();
  const subject = deps.idOf(cpf);
  await recordAudit(deps.db, {
    at,
    by: principal.subject,
    action: 'report.subject_access',
    resource: subject,
    requestId,
    detail: { purpose: maskText(purpose), origin },
  });
  const currentOrders = await ordersOf(deps.db, cpf);
  const archived = (kind: string, parameter: string, unmasked: boolean) =>
    archivedRows(deps, { kind, parameters: { [parameter]: cpf }, unmasked, at, signal });
  const orders = await archived('client-orders', 'clientId', false);
  const metadata = await archived('participant-metadata', 'participantId', true);
  const events = await archived('participant-events', 'participantId', true);
  return {
    subject,
    purpose,
    generatedAt: at.toISOString(),
    currentOrders,
    archive: {
      snapshotId: orders.snapshotId,
      orders: orders.rows,
      participantMetadata: metadata.rows,
      participantEvents: events.rows,
    },
    issuedReports: await issuedReports(deps.db, cpf),
    notes,
  };
};

/**
 * The answer is over all areas, and one that left some out would say that nothing is held there: it is for who may see
 * every area and client, and still may.
 * @throws Problem `forbidden`
 */
const checkWholeBank = async (db: Pool, principal: Principal): Promise<void> => {
  if (!principal.areas.has('*') || principal.clients.size > 0)
    throw new Problem(
      'forbidden',
      'This is over all areas of the bank: it needs a token for all of them (*).',
    );
  const held = withoutWithdrawn(viewerOf(principal, false), await readWithdrawals(db, principal));
  if (!held || principal.scopes.has('admin') !== held.scopes.includes('admin'))
    throw new Problem('forbidden', 'A right that this needs was withdrawn.');
};

/** Far more than one person's orders; a file that large is asked for as a report, which streams. */
const mostBytes = 64 * 1024 * 1024;

/** The rows of a report of the archive, made as any other: counted, and whole or not at all. */
const archivedRows = async (
  { maker, workFolder }: SubjectDeps,
  input: {
    kind: string;
    parameters: Record<string, string>;
    unmasked: boolean;
    at: Date;
    signal: AbortSignal;
  },
): Promise<{ rows: unknown[]; snapshotId: string | null }> => {
  const { request } = maker.parse({ kind: input.kind, parameters: input.parameters, format: 'ndjson' });
  if (request === null) throw new Error(`expected a request for ${input.kind} that is valid`);
  const parent = join(await workFolder(), 'subject');
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, `${input.kind}-`));
  try {
    const viewer = { areas: 'all', clients: 'all', unmasked: input.unmasked, scopes: ['admin'] } as const;
    const made = await maker.produce({ request, viewer, asOf: input.at }, { folder, signal: input.signal });
    if (made.bytes > mostBytes)
      throw new Problem(
        'conflict',
        `The archive holds more than ${mostBytes} bytes; ask for ${input.kind} as a report.`,
      );
    const lines = (await readFile(made.path, 'utf8')).split('\n').filter((line) => line !== '');
    return { rows: lines.map((line) => JSON.parse(line) as unknown), snapshotId: made.snapshotId };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
