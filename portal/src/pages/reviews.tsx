import { useLoad } from '../parts/load.ts';
import { Page } from '../parts/page.tsx';
import { Pager } from '../parts/pager.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { usePlace } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import { OrderTable } from './orders.tsx';

/** The orders that wait for a second person. */
export const ReviewsPage = () => {
  const { call } = useDesk();
  const { query } = usePlace();
  const cursor = query.get('cursor') ?? '';
  const { data, problem, loading, reload } = useLoad(`reviews ${cursor}`, (signal) =>
    call('GET /v1/orders', {
      query: { waiting: 'needs_review', limit: 25, ...(cursor ? { cursor } : {}) },
      signal,
    }),
  );
  return (
    <Page title="Revisão">
      <p>
        Estas ordens têm algo que o sistema não soube ler: uma ressalva em texto ou uma regra. Uma segunda
        pessoa lê, decide o que vale e registra o motivo e a evidência; a ordem é então decidida de novo.
      </p>
      {problem && <ProblemNotice problem={problem} retry={reload} />}
      {loading && !data && <p role="status">Carregando…</p>}
      {data?.items.length === 0 && (
        <div className="empty">
          <p>Nenhuma ordem espera revisão.</p>
        </div>
      )}
      {data && data.items.length > 0 && <OrderTable orders={data.items} to="/revisao" />}
      <Pager path="/revisao" query={query} next={data?.next ?? null} />
    </Page>
  );
};
