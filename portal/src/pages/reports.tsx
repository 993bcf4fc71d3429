import type { Report } from '../api/openapi.ts';
import { count, instant } from '../format.ts';
import { ArchivedNotice } from '../parts/archived-notice.tsx';
import { ReportBadge } from '../parts/badge.tsx';
import { useLoad } from '../parts/load.ts';
import { Page } from '../parts/page.tsx';
import { Pager } from '../parts/pager.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { useReportKinds } from '../parts/report-kinds.ts';
import { Link, usePlace } from '../router.tsx';
import { useDesk } from '../session/session.tsx';

export const isRunning = ({ status }: Report): boolean => status === 'queued' || status === 'running';

export const ReportsPage = () => {
  const { call, may } = useDesk();
  const { query } = usePlace();
  const unread = query.get('novos') === '1';
  const cursor = query.get('cursor') ?? '';
  const { titleOf } = useReportKinds();
  const { data, problem, loading, reload } = useLoad(
    `reports ${unread} ${cursor}`,
    (signal) =>
      call('GET /v1/reports', {
        query: { limit: 25, ...(unread ? { unread: 'true' } : {}), ...(cursor ? { cursor } : {}) },
        signal,
      }),
    { everyMs: 2_000, again: ({ items }) => items.some(isRunning) },
  );
  return (
    <Page
      title="Relatórios"
      actions={
        may('reports:write') && (
          <Link to="/relatorios/novo" className="button primary">
            Pedir relatório
          </Link>
        )
      }
    >
      <ArchivedNotice />
      <nav className="tabs" aria-label="Quais relatórios">
        <Link to="/relatorios" aria-current={unread ? undefined : 'page'}>
          Todos
        </Link>
        <Link to="/relatorios?novos=1" aria-current={unread ? 'page' : undefined}>
          Terminados e não vistos{data ? ` (${data.unread})` : ''}
        </Link>
      </nav>
      {problem && <ProblemNotice problem={problem} retry={reload} />}
      {loading && !data && <p role="status">Carregando…</p>}
      {data?.items.length === 0 && (
        <div className="empty">
          <p>{unread ? 'Não há nada de novo.' : 'Você ainda não pediu relatórios.'}</p>
        </div>
      )}
      {data && data.items.length > 0 && <ReportTable reports={data.items} titleOf={titleOf} />}
      <Pager path="/relatorios" query={query} next={data?.next ?? null} />
    </Page>
  );
};

const rowsOf = ({ rows, progress }: Report): string => {
  if (rows !== null) return count(rows);
  if (progress.rows === null) return '–';
  return progress.expectedRows === null
    ? count(progress.rows)
    : `${count(progress.rows)} de ${count(progress.expectedRows)}`;
};

const ReportTable = ({
  reports,
  titleOf,
}: {
  reports: readonly Report[];
  titleOf: (kind: string) => string;
}) => (
  <table className="cards">
    <thead>
      <tr>
        <th scope="col">Relatório</th>
        <th scope="col">Situação</th>
        <th scope="col" className="number">
          Linhas
        </th>
        <th scope="col">Formato</th>
        <th scope="col">Pedido em</th>
        <th scope="col">Guardado até</th>
      </tr>
    </thead>
    <tbody>
      {reports.map((report) => (
        <tr key={report.reportId}>
          <th scope="row" data-label="Relatório">
            <Link to={`/relatorios/${report.reportId}`}>{titleOf(report.request.kind)}</Link>{' '}
            {report.unread && <span className="badge badge-new">novo</span>}
          </th>
          <td data-label="Situação">
            <ReportBadge status={report.status} />
          </td>
          <td data-label="Linhas" className="number">
            {rowsOf(report)}
          </td>
          <td data-label="Formato">{report.request.format.toUpperCase()}</td>
          <td data-label="Pedido em" className="fixed">
            {instant(report.createdAt)}
          </td>
          <td data-label="Guardado até" className="fixed">
            {report.expiresAt ? instant(report.expiresAt) : '–'}
          </td>
        </tr>
      ))}
    </tbody>
  </table>
);
