import type { ReportRequest } from './contract.ts';
import { fileName, type Report, type ReportFailure, type ReportStatus } from './report.ts';

/** A report as its owner sees it. Instants are ISO 8601 UTC. */
export type ReportView = {
  reportId: string;
  status: ReportStatus;
  purpose: string;
  request: ReportRequest;
  unmasked: boolean;
  /** While it is made: rows written so far and rows expected; null before they are known. */
  progress: { rows: number | null; expectedRows: number | null };
  failure: ReportFailure | null;
  /** Of the finished file. */
  rows: number | null;
  bytes: number | null;
  sha256: string | null;
  contentType: string | null;
  fileName: string | null;
  /** The version of the archive that was read. */
  snapshotId: string | null;
  /** The earlier report whose file this one has. */
  reusedFrom: string | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  expiresAt: string | null;
  downloads: number;
  /** Ended, and neither downloaded nor marked as read since. */
  unread: boolean;
  links: { self: string; download: string | null };
};

const isoOrNull = (date: Date | null): string | null => date?.toISOString() ?? null;

/** Whether the file is there to be had: the row says so, and its time is not over. */
export const isDownloadable = (report: Pick<Report, 'status' | 'expiresAt' | 'file'>, now: Date): boolean =>
  report.status === 'completed' &&
  report.file !== null &&
  report.expiresAt !== null &&
  report.expiresAt > now;

export const isUnread = ({ status, noticeReadAt }: Pick<Report, 'status' | 'noticeReadAt'>): boolean =>
  (status === 'completed' || status === 'failed') && noticeReadAt === null;

export const reportView = (report: Report, now: Date): ReportView => {
  const self = `/v1/reports/${report.id}`;
  const downloadable = isDownloadable(report, now);
  return {
    reportId: report.id,
    status: report.status === 'completed' && !downloadable ? 'expired' : report.status,
    purpose: report.purpose,
    request: report.request,
    unmasked: report.viewer.unmasked,
    progress: { rows: report.rowsDone, expectedRows: report.expectedRows },
    failure: report.failure,
    rows: report.file?.rows ?? null,
    bytes: report.file?.bytes ?? null,
    sha256: report.file?.sha256 ?? null,
    contentType: report.file?.contentType ?? null,
    fileName: report.file ? fileName(report) : null,
    snapshotId: report.file?.snapshotId ?? null,
    reusedFrom: report.reusedFrom,
    createdAt: report.createdAt.toISOString(),
    startedAt: isoOrNull(report.startedAt),
    finishedAt: isoOrNull(report.finishedAt),
    expiresAt: isoOrNull(report.expiresAt),
    downloads: report.downloads,
    unread: isUnread(report),
    links: { self, download: downloadable ? `${self}/download` : null },
  };
};
