import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { type CommandRoom, inRoom, operatorOf } from './command-room.ts';
import { checkFree, pipeOut, writeOut } from './file-out.ts';
import { followReport } from './follow.ts';
import { reportKinds } from './kinds.ts';
import { cancelReport, findReport, listReports, permitDownload } from './owner.ts';
import { placeReport } from './place.ts';
import { isEnded, type Report, type ReportStatus, reportStatuses } from './report.ts';
import { parseReportBody } from './request-body.ts';
import { runReport } from './run.ts';
import { parseSubjectRequest, subjectReport } from './subject.ts';
import { type ReportView, reportView } from './view.ts';

export type NewOptions = {
  param?: Record<string, string>;
  from?: string;
  to?: string;
  status?: string;
  format: string;
  separator?: string;
  bom?: boolean;
  flat?: boolean;
  unmasked?: boolean;
  purpose: string;
  out?: string;
  force?: boolean;
  wait: boolean;
  dryRun?: boolean;
  json?: boolean;
};

/** `2026-01-31` is its first instant in São Paulo, where the bank's days begin. */
const instantOf = (text: string): string =>
  /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00-03:00` : text;

const bodyOf = (kind: string, options: NewOptions): Record<string, unknown> => ({
  kind,
  parameters: options.param ?? {},
  format: options.format,
  purpose: options.purpose,
  unmasked: options.unmasked ?? false,
  ...(options.from === undefined ? {} : { from: instantOf(options.from) }),
  ...(options.to === undefined ? {} : { to: instantOf(options.to) }),
  ...(options.status === undefined ? {} : { status: options.status }),
  options: {
    ...(options.separator === undefined ? {} : { separator: options.separator }),
    ...(options.bom ? { bom: true } : {}),
    ...(options.flat ? { json: 'flat' } : {}),
  },
});

const show = (view: ReportView): string => {
  const { reportId, status, request, purpose, rows, bytes, sha256, expiresAt, failure, progress } = view;
  const lines = [
    `${reportId}  ${status}  ${request.kind} as ${request.format}`,
    `  purpose   ${purpose}`,
    ...(rows === null
      ? []
      : [`  file      ${rows} rows, ${bytes} bytes, SHA-256 ${sha256}, until ${expiresAt}`]),
    ...(rows === null && progress.expectedRows !== null
      ? [`  progress  ${progress.rows ?? 0} of ${progress.expectedRows} rows`]
      : []),
    ...(failure === null ? [] : [`  failure   ${failure.reason}: ${failure.message}`]),
  ];
  return lines.join('\n');
};

const answer = (context: CliContext, json: boolean | undefined, view: ReportView): Promise<void> =>
  write(context.stdout, `${json ? JSON.stringify(view) : show(view)}\n`);

/** `lastro report kinds` */
export const kindsCommand = async (context: CliContext, { json }: { json?: boolean }): Promise<void> => {
  const text = reportKinds.map(({ name, about, audience, parameters, columns }) =>
    [
      `${name}  (for ${audience === 'client' ? 'clients' : 'areas'}) ${about}`,
      ...parameters.map((one) => `  --param ${one.name}=…${one.required ? ' (needed)' : ''}  ${one.about}`),
      `  columns: ${columns.map(({ name: column }) => column).join(', ')}`,
    ].join('\n'),
  );
  await write(context.stdout, `${json ? JSON.stringify(reportKinds) : text.join('\n\n')}\n`);
};

/** `lastro report new` */
export const newCommand = async (context: CliContext, kind: string, options: NewOptions): Promise<void> => {
  if (options.out !== undefined && !options.wait)
    throw new UserError('--out waits for the file: expected it without --no-wait');
  if (options.out === '-' && options.json)
    throw new UserError('--json and --out - would both be on standard output: expected one of them');
  if (options.out !== undefined && options.out !== '-') await checkFree(options.out, options.force ?? false);
  const body = bodyOf(kind, options);
  await inRoom(context, { addsJobs: !options.dryRun }, async (room) => {
    if (options.dryRun) {
      const { request } = parseReportBody(room, body);
      return write(
        context.stdout,
        `${options.json ? JSON.stringify(request) : 'the request is valid; nothing was asked for'}\n`,
      );
    }
    const caller = operatorOf(options.purpose);
    const placed = await placeReport(room, caller, body, undefined);
    const id = placed.location.split('/').at(-1) ?? '';
    const view = JSON.parse(placed.body) as ReportView;
    if (!options.wait) return answer(context, options.json, view);
    context.stderr.write(`${id}\n`);
    const report = await makeHere(context, room, id);
    if (report.status === 'completed' && options.out !== undefined)
      await takeFile(context, room, id, {
        purpose: options.purpose,
        out: options.out,
        ...(options.force ? { force: true } : {}),
      });
    if (options.out !== '-')
      await answer(context, options.json, reportView(await findReport(room.db, null, id), room.clock()));
    if (report.status !== 'completed') process.exitCode = 1;
  });
};

/**
 * Makes the report in this process, unless a worker has it already, and shows how far it is either way. A try that
 * failed for now is made again here too: there may be no worker.
 */
const makeHere = async (context: CliContext, room: CommandRoom, id: string): Promise<Report> => {
  const { signal, stderr } = context;
  const make = async (): Promise<void> => {
    while (!signal.aborted) {
      await runReport(room, { id, signal });
      if (isEnded(await findReport(room.db, null, id))) return;
      await sleep(1_000, undefined, { signal }).catch(() => {});
    }
  };
  const [report] = await Promise.all([followReport(room, id, { stderr, signal }), make()]);
  if (isEnded(report)) return report;
  throw new UserError(`stopped; a worker goes on with it: lastro report status ${id} --follow`, 1);
};

export type ListOptions = { status?: string; kind?: string; limit: number; json?: boolean };

const statusOf = (text: string | undefined): ReportStatus | undefined => {
  if (text === undefined) return undefined;
  const found = reportStatuses.find((status) => status === text);
  if (!found) throw new UserError(`--status: expected ${reportStatuses.join(', ')}, found ${text}`);
  return found;
};

/** `lastro report list` */
export const listCommand = async (
  context: CliContext,
  { status, kind, limit, json }: ListOptions,
): Promise<void> => {
  const filter = { status: statusOf(status), kind, limit };
  await inRoom(context, { addsJobs: false }, async (room) => {
    const { items } = await listReports(room, null, filter);
    const line = ({ reportId, status: state, request, rows, createdAt }: ReportView): string =>
      `${reportId}  ${state.padEnd(9)}  ${createdAt}  ${request.kind} (${request.format})${rows === null ? '' : `, ${rows} rows`}`;
    await write(
      context.stdout,
      `${json ? JSON.stringify(items) : items.map(line).join('\n') || '(no reports)'}\n`,
    );
  });
};

/** `lastro report status` */
export const statusCommand = (
  context: CliContext,
  id: string,
  { follow, json }: { follow?: boolean; json?: boolean },
): Promise<void> =>
  inRoom(context, { addsJobs: false }, async (room) => {
    const report = follow
      ? await followReport(room, id, { stderr: context.stderr, signal: context.signal })
      : await findReport(room.db, null, id);
    await answer(context, json, reportView(report, room.clock()));
    if (report.status === 'failed') process.exitCode = 1;
  });

/** `lastro report cancel` */
export const cancelCommand = (
  context: CliContext,
  id: string,
  { purpose, json }: { purpose: string; json?: boolean },
): Promise<void> =>
  inRoom(context, { addsJobs: true }, async (room) =>
    answer(context, json, await cancelReport(room, operatorOf(purpose), id)),
  );

export type DownloadOptions = { purpose: string; out: string; force?: boolean };

/** `lastro report download` */
export const downloadCommand = (context: CliContext, id: string, options: DownloadOptions): Promise<void> =>
  inRoom(context, { addsJobs: false }, (room) => takeFile(context, room, id, options));

const takeFile = async (
  context: CliContext,
  room: CommandRoom,
  id: string,
  { purpose, out, force = false }: DownloadOptions,
): Promise<void> => {
  if (out !== '-') await checkFree(out, force);
  const { file } = await permitDownload(room, operatorOf(purpose), id);
  const stream = (await room.store.get(file.key)).stream();
  if (out === '-') return pipeOut(context.stdout, stream);
  const { bytes } = await writeOut(out, stream, { force, sha256: file.sha256 });
  context.stderr.write(`${out}: ${bytes} bytes, SHA-256 as the report says\n`);
};

export type SubjectOptions = { purpose: string; out?: string; force?: boolean };

/** `lastro report subject` */
export const subjectCommand = async (
  context: CliContext,
  cpf: string,
  { purpose, out = '-', force = false }: SubjectOptions,
): Promise<void> => {
  if (out !== '-') await checkFree(out, force);
  const document = cpf === '-' ? (await buffer(context.stdin)).toString('utf8').trim() : cpf;
  await inRoom(context, { addsJobs: false }, async (room) => {
    const found = await subjectReport(
      room,
      operatorOf(purpose),
      parseSubjectRequest({ document, purpose }),
      context.signal,
    );
    const text = `${JSON.stringify(found, null, 2)}\n`;
    if (out === '-') return write(context.stdout, text);
    const { bytes } = await writeOut(out, Readable.from([Buffer.from(text)]), { force });
    context.stderr.write(`${out}: ${bytes} bytes\n`);
  });
};
