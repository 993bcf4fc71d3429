import type { ReportFormat, ReportRequest, ReportViewer } from './contract.ts';

export type ReportStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled' | 'expired';

/**
 * Why a report failed. `not_allowed`: a right to it was withdrawn. `too_large`: it does not fit its format.
 * `time_limit`: it took longer than a report may. `interrupted`: the processes that made it died again and again.
 * `technical`: a part of the installation did not work; the log says which.
 */
export type FailureReason = 'not_allowed' | 'too_large' | 'time_limit' | 'interrupted' | 'technical';

export type ReportFailure = { readonly reason: FailureReason; readonly message: string };

/** Whom to tell of the end, beside the portal. */
export type Notify = { readonly email?: string; readonly callbackUrl?: string };

/** The finished file. `rows` equals what a count of its own expected, or there would be no file. */
export type ReportFile = {
  readonly key: string;
  readonly rows: number;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
  readonly contentType: string;
  readonly snapshotId: string | null;
};

export type Report = {
  readonly id: string;
  readonly clientId: string;
  readonly subject: string;
  readonly origin: 'api' | 'terminal';
  readonly purpose: string;
  readonly request: ReportRequest;
  readonly viewer: ReportViewer;
  readonly notify: Notify;
  readonly status: ReportStatus;
  readonly failure: ReportFailure | null;
  /** Fencing token: how often it was claimed. */
  readonly execution: number;
  readonly attempts: number;
  readonly rowsDone: number | null;
  readonly expectedRows: number | null;
  /** Stays known after the file has expired. */
  readonly file: ReportFile | null;
  readonly reusedFrom: string | null;
  readonly downloads: number;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly expiresAt: Date | null;
  readonly noticeReadAt: Date | null;
};

const statusInTable = {
  queued: 'na_fila',
  running: 'em_andamento',
  completed: 'concluido',
  failed: 'falha',
  cancelled: 'cancelado',
  expired: 'expirado',
} as const satisfies Record<ReportStatus, string>;

export const reportStatuses = Object.keys(statusInTable) as ReportStatus[];

export const toStatusRelatorio = (status: ReportStatus): string => statusInTable[status];

const fromStatusRelatorio = (text: string): ReportStatus => {
  const found = reportStatuses.find((status) => statusInTable[status] === text);
  if (!found) throw new Error(`expected a status of relatorios, found ${text}`);
  return found;
};

export type ReportRow = {
  relatorio_id: string;
  cliente_id: string;
  solicitante: string;
  origem: 'api' | 'terminal';
  finalidade: string;
  pedido: ReportRequest;
  visao: ReportViewer;
  avisar: Notify;
  status_relatorio: string;
  motivo_falha: FailureReason | null;
  mensagem_falha: string | null;
  execucao: string;
  tentativas: number;
  linhas_feitas: string | null;
  linhas_previstas: string | null;
  linhas: string | null;
  bytes: string | null;
  hash_sha256: string | null;
  tipo_conteudo: string | null;
  objeto: string | null;
  snapshot_id: string | null;
  aproveitado_de: string | null;
  downloads: number;
  criado_em: Date;
  iniciado_em: Date | null;
  terminado_em: Date | null;
  expira_em: Date | null;
  aviso_lido_em: Date | null;
};

const numberOrNull = (text: string | null): number | null => (text === null ? null : Number(text));

export const reportOfRow = (row: ReportRow): Report => ({
  id: row.relatorio_id,
  clientId: row.cliente_id,
  subject: row.solicitante,
  origin: row.origem,
  purpose: row.finalidade,
  request: row.pedido,
  viewer: row.visao,
  notify: row.avisar,
  status: fromStatusRelatorio(row.status_relatorio),
  failure: row.motivo_falha === null ? null : { reason: row.motivo_falha, message: row.mensagem_falha ?? '' },
  execution: Number(row.execucao),
  attempts: row.tentativas,
  rowsDone: numberOrNull(row.linhas_feitas),
  expectedRows: numberOrNull(row.linhas_previstas),
  file:
    row.objeto === null || row.hash_sha256 === null
      ? null
      : {
          key: row.objeto,
          rows: Number(row.linhas),
          bytes: Number(row.bytes),
          sha256: row.hash_sha256,
          contentType: row.tipo_conteudo ?? 'application/octet-stream',
          snapshotId: row.snapshot_id,
        },
  reusedFrom: row.aproveitado_de,
  downloads: row.downloads,
  createdAt: row.criado_em,
  startedAt: row.iniciado_em,
  finishedAt: row.terminado_em,
  expiresAt: row.expira_em,
  noticeReadAt: row.aviso_lido_em,
});

export const isEnded = ({ status }: Pick<Report, 'status'>): boolean =>
  status !== 'queued' && status !== 'running';

export const reportFolder = 'reports/';

/** Where the file of one execution goes. Another execution has another key, so no two ever write the same object. */
export const fileKey = (id: string, execution: number, format: ReportFormat): string =>
  `${reportFolder}${id}/${execution}.${format}`;

/** Where an engine may put objects while it reads for one execution. Housekeeping goes by the same rule as for files. */
export const scratchPrefix = (id: string, execution: number): string =>
  `${reportFolder}${id}/${execution}.meanwhile/`;

/** The report and the execution that a key was written by. */
export const ownerOfKey = (key: string): { id: string; execution: number } | undefined => {
  const [, id, execution] =
    /^reports\/(rpt_[0-9A-Z]{26})\/(\d{1,15})\.(?:[a-z]+|meanwhile\/.+)$/.exec(key) ?? [];
  return id && execution ? { id, execution: Number(execution) } : undefined;
};

export const isReportId = (text: string): boolean => /^rpt_[0-9A-Z]{26}$/.test(text);

/** The name that a download is saved under: nothing of the data is in it. */
export const fileName = ({ request, createdAt }: Pick<Report, 'request' | 'createdAt'>): string =>
  `${request.kind}-${createdAt.toISOString().slice(0, 10)}.${request.format}`;
