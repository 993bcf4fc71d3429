import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
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
 * its final name only after that, and its bytes are on the disk before.
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
    const written = await write(file, request, {
      title: kind.title,
      asOf,
      lines: headLines(request, viewer),
    });
    signal.throwIfAborted();
    if (written !== expectedRows) throw new ReportIncompleteError(expectedRows, written);
    const done = await finish(partial, join(folder, `${kind.name}.${request.format}`));
    progress({ rows: written, expectedRows });
    const contentType = contentTypes[request.format];
    return { ...done, rows: written, expectedRows, contentType, snapshotId: source.snapshotId };
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

/** Syncs and hashes the file and gives it its final name. */
const finish = async (
  partial: string,
  path: string,
): Promise<Pick<ProducedReport, 'path' | 'bytes' | 'sha256'>> => {
  const hash = createHash('sha256');
  let bytes = 0;
  const handle = await open(partial, 'r+');
  try {
    // One buffer for the whole file: a stream takes new memory for each piece, and twice the time.
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, path);
  return { path, bytes, sha256: hash.digest('hex') };
};

/** While DuckDB copies by itself, its own estimate is the progress. */
const watchProgress = ({ connection, expectedRows, progress }: ReportFile): NodeJS.Timeout =>
  setInterval(() => {
    const { percentage } = connection.progress;
    if (percentage > 0) progress(Math.floor((expectedRows * Math.min(percentage, 99)) / 100));
  }, 200);
