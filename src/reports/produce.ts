import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { interruptOn } from '../lake/duckdb-interrupt.ts';
import { openDuckDb, quoteName } from '../lake/duckdb-session.ts';
import { confineToFiles } from '../lake/engines/duckdb-confinement.ts';
import { maskText } from '../shared/mask.ts';
import { authorize } from './access.ts';
import { orderConditions } from './conditions.ts';
import type {
  ParameterName,
  ProduceDeps,
  ProducedReport,
  ProduceInput,
  ProduceOptions,
  ReportFormat,
} from './contract.ts';
import { ReportDeniedError, ReportIncompleteError } from './errors.ts';
import { writeCsv, writeJson, writeNdjson, writeParquet } from './formats/copied.ts';
import { type ReportHead, writePdf } from './formats/pdf/pdf.ts';
import type { ReportFile } from './formats/report-file.ts';
import { writeXlsx } from './formats/xlsx.ts';
import { findKind } from './kinds.ts';
import { makeRows, neededFields } from './query.ts';
import { openOrderSource } from './source.ts';

export const contentTypes: { readonly [Format in ReportFormat]: string } = {
  csv: 'text/csv; charset=utf-8; header=present',
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  parquet: 'application/vnd.apache.parquet',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  pdf: 'application/pdf',
};

/** Rows up to which a file comes sorted: a million rows would be sorted with the memory of a million rows. */
const sortedRows = 100_000;

/**
 * Makes one complete file, or none. The rows that were written are compared with a count of their own; the file has
 * its final name only after that.
 * @throws ReportDeniedError; ReportTooLargeError where the format cannot hold it; ReportIncompleteError; the
 * signal's reason; what the lake or the operational store fails with
 */
export const produceReport = async (
  deps: ProduceDeps,
  { request, viewer, asOf }: ProduceInput,
  { folder, scratch, signal, progress = () => {} }: ProduceOptions,
): Promise<ProducedReport> => {
  const denied = authorize(request, viewer);
  const kind = findKind(request.kind);
  if (denied !== null || !kind) throw new ReportDeniedError(denied ?? `there is no report ${request.kind}`);
  signal.throwIfAborted();
  const conditions = orderConditions(request, viewer);
  const session = await openDuckDb(deps.limits);
  const stop = interruptOn(signal, session.connection);
  const partial = join(folder, `${randomUUID()}.partial`);
  let release: (() => void) | undefined;
  try {
    const { connection } = session;
    const source = await openOrderSource(
      { ...deps, session },
      {
        request,
        viewer,
        conditions,
        withCurrent: !kind.archivedOnly,
        fields: neededFields(kind, request),
        scratch,
        signal,
      },
    );
    release = source.release;
    await connection.run('SET enable_progress_bar = true');
    await connection.run('SET enable_progress_bar_print = false');
    await confineToFiles(connection, [...source.files, partial]);
    signal.throwIfAborted();
    const rows = await makeRows(connection, { kind, request, viewer, conditions, relation: source.relation });
    const { expectedRows, columns } = rows;
    progress({ rows: 0, expectedRows });
    const isSorted = expectedRows <= sortedRows;
    const order =
      rows.order.length > 0 && isSorted ? ` ORDER BY ${rows.order.map(quoteName).join(', ')}` : '';
    const file: ReportFile = {
      connection,
      rows: `report_rows${order}`,
      columns,
      expectedRows,
      path: partial,
      signal,
      progress: (done) => progress({ rows: Math.min(done, expectedRows), expectedRows }),
    };
    const head = { title: kind.title, asOf, lines: headLines(request, viewer) };
    const written = await writeHashed(partial, () => write(file, request, head));
    signal.throwIfAborted();
    if (written.rows !== expectedRows) throw new ReportIncompleteError(expectedRows, written.rows);
    const path = join(folder, `${kind.name}.${request.format}`);
    await rename(partial, path);
    progress({ rows: written.rows, expectedRows });
    const contentType = contentTypes[request.format];
    return { ...written, path, expectedRows, contentType, snapshotId: source.snapshotId };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    stop();
    await session.close();
    release?.();
    await rm(partial, { force: true });
  }
};

const write = async (
  file: ReportFile,
  { format, options }: ProduceInput['request'],
  head: ReportHead,
): Promise<number> => {
  const watch = watchProgress(file);
  try {
    switch (format) {
      case 'csv':
        return await writeCsv(file, options);
      case 'json':
        return await writeJson(file);
      case 'ndjson':
        return await writeNdjson(file);
      case 'parquet':
        return await writeParquet(file);
      case 'xlsx':
        return await writeXlsx(file);
      case 'pdf':
        return await writePdf(file, head);
    }
  } finally {
    clearInterval(watch);
  }
};

const dates = new Intl.DateTimeFormat('pt-BR', {
  timeZone: 'America/Sao_Paulo',
  dateStyle: 'short',
  timeStyle: 'short',
});

/** What was asked for, in words. */
const headLines = (
  { parameters, from, to, status }: ProduceInput['request'],
  { unmasked }: ProduceInput['viewer'],
): string[] => {
  const date = (text: string | undefined): string =>
    text === undefined ? '…' : dates.format(new Date(text));
  const names: { readonly [Name in ParameterName]: string } = {
    areaId: 'Área',
    contractId: 'Contrato',
    clientId: 'Cliente',
    requesterId: 'Requisitante',
    participantId: 'Participante',
    orderId: 'Ordem',
  };
  const given = (Object.entries(parameters) as [ParameterName, string][]).map(
    ([name, value]) => `${names[name]}: ${unmasked ? value : maskText(value)}`,
  );
  return [
    ...given,
    ...(from === undefined && to === undefined ? [] : [`Período: ${date(from)} a ${date(to)}`]),
    ...(status === undefined ? [] : [`Situação: ${status}`]),
  ];
};

type Hashed = Pick<ProducedReport, 'bytes' | 'sha256'>;

/**
 * Writes and hashes at the same time: every format is written from its beginning to its end, and what a format might
 * go back for would show when the file is stored, where it is hashed again. Ends when both have ended, also by a failure:
 * the engine must not be closed under one that still writes.
 */
const writeHashed = async (
  path: string,
  write: () => Promise<number>,
): Promise<Hashed & { rows: number }> => {
  let isWritten = false;
  const [rows, hashed] = await Promise.allSettled([
    write().finally(() => {
      isWritten = true;
    }),
    hashGrowing(path, () => isWritten),
  ]);
  if (rows.status === 'rejected') throw rows.reason;
  if (hashed.status === 'rejected') throw hashed.reason;
  return { ...hashed.value, rows: rows.value };
};

/** Not synced to the disk: nobody reads this file after a crash. Only what the store has can be downloaded. */
const hashGrowing = async (path: string, isWritten: () => boolean): Promise<Hashed> => {
  const hash = createHash('sha256');
  // One buffer for the whole file: a stream takes new memory for each piece, and twice the time.
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  let handle: FileHandle | undefined;
  let bytes = 0;
  try {
    for (;;) {
      // Asked before reading: what is there after that is all there is.
      const isLast = isWritten();
      handle ??= await openExisting(path);
      const { bytesRead } = (await handle?.read(buffer, 0, buffer.length, bytes)) ?? { bytesRead: 0 };
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
      if (bytesRead > 0) continue;
      if (isLast) return { bytes, sha256: hash.digest('hex') };
      await sleep(10);
    }
  } finally {
    await handle?.close();
  }
};

const openExisting = (path: string): Promise<FileHandle | undefined> =>
  open(path, 'r').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });

/** While DuckDB copies by itself, its own estimate is the progress. */
const watchProgress = ({ connection, expectedRows, progress }: ReportFile): NodeJS.Timeout =>
  setInterval(() => {
    const { percentage } = connection.progress;
    if (percentage > 0) progress(Math.floor((expectedRows * Math.min(percentage, 99)) / 100));
  }, 200);
