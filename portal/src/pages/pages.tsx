import { type ReactNode, useEffect } from 'react';
import { Page } from '../parts/page.tsx';
import { Link, matchPath, navigate, usePlace } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import { Frame } from './frame.tsx';
import { NewOrderPage } from './new-order.tsx';
import { NewReportPage } from './new-report.tsx';
import { OrderPage } from './order.tsx';
import { OrdersPage } from './orders.tsx';
import { ReportPage } from './report.tsx';
import { ReportsPage } from './reports.tsx';
import { ReviewPage } from './review.tsx';
import { ReviewsPage } from './reviews.tsx';

type Found = { readonly page: ReactNode; readonly scope: Scope };

type Scope = 'orders:read' | 'orders:write' | 'orders:review' | 'reports:read' | 'reports:write';

/** Every page: its path, the scope that it is of use with, and what it shows. The first that matches is taken. */
const routes: readonly [string, Scope, (parameters: Record<string, string>) => ReactNode][] = [
  ['/ordens', 'orders:read', () => <OrdersPage />],
  ['/ordens/nova', 'orders:write', () => <NewOrderPage />],
  ['/ordens/:key', 'orders:read', ({ key = '' }) => <OrderPage key={key} orderKey={key} />],
  ['/revisao', 'orders:review', () => <ReviewsPage />],
  ['/revisao/:key', 'orders:review', ({ key = '' }) => <ReviewPage key={key} orderKey={key} />],
  ['/relatorios', 'reports:read', () => <ReportsPage />],
  ['/relatorios/novo', 'reports:write', () => <NewReportPage />],
  ['/relatorios/:key', 'reports:read', ({ key = '' }) => <ReportPage key={key} reportId={key} />],
];

const find = (path: string): Found | null => {
  for (const [pattern, scope, page] of routes) {
    const parameters = matchPath(pattern, path);
    if (parameters) return { page: page(parameters), scope };
  }
  return null;
};

const Start = () => {
  const { may } = useDesk();
  const to = may('orders:read') ? '/ordens' : '/relatorios';
  useEffect(() => navigate(to, { replace: true }), [to]);
  return null;
};

const Missing = () => (
  <Page title="Página não encontrada">
    <p>
      Este endereço não leva a nenhuma página. <Link to="/">Ir para o início</Link>
    </p>
  </Page>
);

const Denied = () => (
  <Page title="Sem permissão">
    <p>
      Seu perfil não dá acesso a esta página. <Link to="/">Ir para o início</Link>
    </p>
  </Page>
);

/** The page that the address names, in its frame. What a person may do is decided by the server, not by this. */
export const Pages = () => {
  const { path } = usePlace();
  const { may } = useDesk();
  const found = find(path);
  const allowed = found !== null && may(found.scope);
  return <Frame>{path === '/' ? <Start /> : found ? allowed ? found.page : <Denied /> : <Missing />}</Frame>;
};
