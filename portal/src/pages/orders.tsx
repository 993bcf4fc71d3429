import { type FormEvent, useState } from 'react';
import type { OrderSummary } from '../api/openapi.ts';
import { document, instant, money } from '../format.ts';
import { ArchivedNotice } from '../parts/archived-notice.tsx';
import { useAreas } from '../parts/area-options.ts';
import { OrderBadge, VerdictBadge } from '../parts/badge.tsx';
import { SelectField, TextField } from '../parts/field.tsx';
import { useLoad } from '../parts/load.ts';
import { Page } from '../parts/page.tsx';
import { Pager } from '../parts/pager.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { Link, navigate, usePlace } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import { orderStatus } from '../words/words.ts';
import { orderQuery } from './order-query.ts';

const filterNames = ['area', 'situacao', 'de', 'ate'] as const;

export const OrdersPage = () => {
  const { call, may } = useDesk();
  const { query } = usePlace();
  const asked = orderQuery(query);
  const { data, problem, loading, reload } = useLoad(JSON.stringify(asked), (signal) =>
    call('GET /v1/orders', { query: asked, signal }),
  );
  const isFiltered = filterNames.some((name) => query.get(name));
  return (
    <Page
      title="Ordens"
      actions={
        may('orders:write') && (
          <Link to="/ordens/nova" className="button primary">
            Nova ordem
          </Link>
        )
      }
    >
      <FindOrder />
      <Filters key={query.toString()} query={query} />
      <ArchivedNotice areaId={query.get('area') || undefined} />
      {problem && <ProblemNotice problem={problem} retry={reload} />}
      <p role="status" className={data ? 'hidden' : 'quiet'}>
        {loading ? 'Carregando ordens…' : data ? `${data.items.length} ordens nesta página` : ''}
      </p>
      {data && data.items.length > 0 && <OrderTable orders={data.items} />}
      {data?.items.length === 0 && (
        <div className="empty">
          <p>{isFiltered ? 'Nenhuma ordem com estes filtros.' : 'Ainda não há ordens.'}</p>
          {isFiltered && (
            <p>
              Se procura uma ordem antiga, ela não aparece nesta lista.{' '}
              <Link to="/ordens">Limpar filtros</Link>
            </p>
          )}
        </div>
      )}
      <Pager path="/ordens" query={query} next={data?.next ?? null} />
    </Page>
  );
};

/** Goes to one order by its number. */
const FindOrder = () => {
  const [orderKey, setOrderKey] = useState('');
  const find = (event: FormEvent): void => {
    event.preventDefault();
    const key = orderKey.trim();
    if (key) navigate(`/ordens/${encodeURIComponent(key)}`);
  };
  return (
    <search>
      <form className="find" onSubmit={find}>
        <TextField
          label="Número da ordem"
          type="search"
          value={orderKey}
          onChange={setOrderKey}
          maxLength={64}
        />
        <button type="submit">Abrir</button>
      </form>
    </search>
  );
};

const Filters = ({ query }: { query: URLSearchParams }) => {
  const { choices, all } = useAreas();
  const [chosen, setChosen] = useState(() =>
    Object.fromEntries(filterNames.map((name) => [name, query.get(name) ?? ''])),
  );
  const field = (name: (typeof filterNames)[number]) => ({
    value: chosen[name] ?? '',
    onChange: (value: string) => setChosen({ ...chosen, [name]: value }),
  });
  const apply = (event: FormEvent): void => {
    event.preventDefault();
    const wanted = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value !== ''));
    navigate(wanted.size > 0 ? `/ordens?${wanted}` : '/ordens');
  };
  const statuses = Object.entries(orderStatus).map(([value, name]) => ({ value, name }));
  return (
    <form className="filters" onSubmit={apply} aria-label="Filtros">
      {(choices.length > 1 || all) && (
        <SelectField label="Área" {...field('area')} options={choices} empty="Todas" />
      )}
      <SelectField label="Situação" {...field('situacao')} options={statuses} empty="Todas" />
      <TextField label="Criada de" type="date" {...field('de')} />
      <TextField label="Criada até" type="date" {...field('ate')} />
      <button type="submit">Filtrar</button>
    </form>
  );
};

export const OrderTable = ({ orders, to = '/ordens' }: { orders: readonly OrderSummary[]; to?: string }) => (
  <table className="cards">
    <thead>
      <tr>
        <th scope="col">Ordem</th>
        <th scope="col">Situação</th>
        <th scope="col">Coro</th>
        <th scope="col">Requisitante</th>
        <th scope="col" className="number">
          Valor
        </th>
        <th scope="col">Área</th>
        <th scope="col">Criada em</th>
      </tr>
    </thead>
    <tbody>
      {orders.map((order) => (
        <tr key={order.orderKey}>
          <th scope="row" data-label="Ordem">
            <Link to={`${to}/${order.orderKey}`} className="key">
              {order.orderKey}
            </Link>
          </th>
          <td data-label="Situação">
            <OrderBadge order={order} />
          </td>
          <td data-label="Coro">
            <VerdictBadge verdict={order.verdict} />
          </td>
          <td data-label="Requisitante" className="fixed">
            {document(order.requester.document)}
          </td>
          <td data-label="Valor" className="number">
            {order.amountCents === null ? '–' : money(order.amountCents)}
          </td>
          <td data-label="Área">{order.areaId}</td>
          <td data-label="Criada em" className="fixed">
            {instant(order.createdAt)}
          </td>
        </tr>
      ))}
    </tbody>
  </table>
);
