import { useState } from 'react';
import type { Report } from '../api/openapi.ts';
import { count, counted, day, instant, size } from '../format.ts';
import { useAction } from '../parts/action.ts';
import { ReportBadge } from '../parts/badge.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { Facts } from '../parts/facts.tsx';
import { useLoad } from '../parts/load.ts';
import { Notice } from '../parts/notice.tsx';
import { Page } from '../parts/page.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { useReportKinds } from '../parts/report-kinds.ts';
import { Link } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import { parameterName, reportFailure, reportFormat } from '../words/words.ts';
import { isRunning } from './reports.tsx';

export const ReportPage = ({ reportId }: { reportId: string }) => {
  const { call } = useDesk();
  const { titleOf } = useReportKinds();
  const { data, problem, reload } = useLoad(
    reportId,
    (signal) => call('GET /v1/reports/{reportId}', { path: { reportId }, signal }),
    { everyMs: 1_500, again: isRunning },
  );
  return (
    <Page title={data ? titleOf(data.request.kind) : 'Relatório'}>
      <p>
        <Link to="/relatorios">Todos os relatórios</Link> · <code>{reportId}</code>
      </p>
      {problem && <ProblemNotice problem={problem} retry={reload} />}
      {!data && !problem && <p role="status">Carregando…</p>}
      {data && <Whole report={data} reload={reload} />}
    </Page>
  );
};

const Whole = ({ report, reload }: { report: Report; reload: () => void }) => (
  <>
    <section className="card" aria-label="Situação">
      <div role="status">
        <p className="outcome">
          <ReportBadge status={report.status} />{' '}
          {report.unread && <span className="badge badge-new">novo</span>}
        </p>
        <p className="outcome-words">{statusWords(report)}</p>
      </div>
      {isRunning(report) && <Progress report={report} />}
      {report.failure && (
        <Notice kind="bad" title="O relatório falhou: não há arquivo, nem em parte">
          <p>{reportFailure[report.failure.reason]}</p>
        </Notice>
      )}
      <Actions report={report} reload={reload} />
    </section>
    <section className="card">
      <h2>Arquivo</h2>
      <Facts
        rows={[
          ['Nome', report.fileName],
          ['Linhas', report.rows === null ? null : count(report.rows)],
          ['Tamanho', report.bytes === null ? null : size(report.bytes)],
          ['SHA-256', report.sha256 && <code>{report.sha256}</code>],
          ['Guardado até', report.expiresAt && instant(report.expiresAt)],
          ['Baixado', counted(report.downloads, 'vez', 'vezes')],
          ['Dados pessoais', report.unmasked ? 'sem máscara' : 'com máscara'],
        ]}
      />
    </section>
    <section className="card">
      <h2>Pedido</h2>
      <Facts
        rows={[
          ...Object.entries(report.request.parameters).map(
            ([name, value]) => [parameterName[name as keyof typeof parameterName] ?? name, value] as const,
          ),
          ['Ordens criadas de', report.request.from ? day(report.request.from) : null],
          ['Ordens criadas antes de', report.request.to ? day(report.request.to) : null],
          ['Situação das ordens', report.request.status ?? null],
          ['Formato', reportFormat[report.request.format]],
          ['Finalidade', report.purpose],
          ['Pedido em', instant(report.createdAt)],
          ['Terminado em', report.finishedAt && instant(report.finishedAt)],
        ]}
      />
    </section>
  </>
);

const statusWords = (report: Report): string => {
  switch (report.status) {
    case 'queued':
      return 'O relatório espera a vez. Você pode sair desta página: o aviso aparece no menu.';
    case 'running':
      return 'O relatório está sendo feito. Você pode sair desta página: o aviso aparece no menu.';
    case 'completed':
      return `O relatório está completo: ${counted(report.rows ?? 0, 'linha', 'linhas')}.`;
    case 'failed':
      return 'O relatório não foi feito.';
    case 'cancelled':
      return 'O relatório foi cancelado.';
    case 'expired':
      return 'O arquivo não é mais guardado. Peça o relatório de novo.';
  }
};

const Progress = ({ report: { progress } }: { report: Report }) => {
  const { rows, expectedRows } = progress;
  const known = rows !== null && expectedRows !== null && expectedRows > 0;
  return (
    <p>
      <label htmlFor="andamento">
        {known ? `${count(rows)} de ${counted(expectedRows, 'linha', 'linhas')}` : 'Andamento'}
      </label>
      <progress id="andamento" {...(known ? { max: expectedRows, value: rows } : {})} />
    </p>
  );
};

const Actions = ({ report, reload }: { report: Report; reload: () => void }) => {
  const { call, may } = useDesk();
  const path = { reportId: report.reportId };
  const [asking, setAsking] = useState(false);
  const download = useAction(async () => {
    const { url } = await call('GET /v1/reports/{reportId}/download', { path });
    // The file comes as an attachment: the browser saves it and stays on this page.
    window.location.assign(url);
    reload();
  });
  const cancel = useAction(async () => {
    await call('POST /v1/reports/{reportId}/cancel', { path }).finally(() => setAsking(false));
    reload();
  });
  const read = useAction(async () => {
    await call('POST /v1/reports/{reportId}/read', { path });
    reload();
  });
  const problem = download.problem ?? cancel.problem ?? read.problem;
  return (
    <>
      {problem && <ProblemNotice problem={problem} />}
      <div className="actions">
        {report.links.download && (
          <button
            type="button"
            className="primary"
            disabled={download.busy}
            onClick={() => void download.run()}
          >
            {download.busy ? 'Preparando…' : 'Baixar'}
          </button>
        )}
        {report.unread && (
          <button type="button" disabled={read.busy} onClick={() => void read.run()}>
            Marcar como visto
          </button>
        )}
        {isRunning(report) && may('reports:write') && (
          <button type="button" className="danger" onClick={() => setAsking(true)}>
            Cancelar relatório
          </button>
        )}
        {(report.status === 'failed' || report.status === 'expired' || report.status === 'cancelled') &&
          may('reports:write') && <Link to={againLink(report)}>Pedir de novo</Link>}
      </div>
      {asking && (
        <Confirm
          title="Cancelar este relatório?"
          action="Cancelar o relatório"
          busy={cancel.busy}
          onConfirm={() => void cancel.run()}
          onClose={() => setAsking(false)}
        >
          <p>O que já foi feito se perde; você pode pedi-lo de novo.</p>
        </Confirm>
      )}
    </>
  );
};

const againLink = ({ request: { kind, parameters } }: Report): string =>
  `/relatorios/novo?${new URLSearchParams({ kind, ...parameters })}`;
