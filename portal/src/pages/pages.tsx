import { useEffect } from 'react';
import { Page } from '../parts/page.tsx';
import { Link, matchPath, navigate, usePlace } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import { Frame } from './frame.tsx';
import { OrdersPage } from './orders.tsx';

type Found = { page: React.ReactNode; scope?: string };

const find = (path: string): Found | null => {
  if (matchPath('/ordens', path)) return { page: <OrdersPage />, scope: 'orders:read' };
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
  const allowed = !found?.scope || may(found.scope);
  return <Frame>{path === '/' ? <Start /> : found ? allowed ? found.page : <Denied /> : <Missing />}</Frame>;
};
