import { useState } from 'react';
import type { Order } from '../api/openapi.ts';
import { document, instant, money } from '../format.ts';
import { useAction } from '../parts/action.ts';
import { ArchivedNotice } from '../parts/archived-notice.tsx';
import { OrderBadge, VerdictBadge } from '../parts/badge.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { Facts } from '../parts/facts.tsx';
import { useLoad } from '../parts/load.ts';
import { Page } from '../parts/page.tsx';
import { PartyCard } from '../parts/party.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { Link } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import {
  eventType,
  failureReason,
  partner as partnerName,
  partyType,
  waitingReason,
} from '../words/words.ts';

const isOpen = ({ status }: Order): boolean => status === 'draft' || status === 'processing';

export const OrderPage = ({ orderKey }: { orderKey: string }) => {
  const { call } = useDesk();
  const { data, problem, reload } = useLoad(
    orderKey,
    (signal) => call('GET /v1/orders/{orderKey}', { path: { orderKey }, signal }),
    { everyMs: 2_000, again: isOpen },
  );
  const isElsewhere = problem?.type === 'order-archived' || problem?.type === 'not-found';
  return (
    <Page title="Ordem" actions={data && <Actions order={data} reload={reload} />}>
      <p>
        <code>{orderKey}</code>
      </p>
      {problem && (
        <ProblemNotice problem={problem} {...(isElsewhere ? {} : { retry: reload })}>
          {problem.type === 'not-found' && <p>Não há ordem com este número entre as que você pode ver.</p>}
          {isElsewhere && <ArchivedNotice orderKey={orderKey} />}
        </ProblemNotice>
      )}
      {!data && !problem && <p role="status">Carregando a ordem…</p>}
      {data && <Whole order={data} />}
    </Page>
  );
};

const Actions = ({ order, reload }: { order: Order; reload: () => void }) => {
  const { call, may } = useDesk();
  const [asking, setAsking] = useState(false);
  const { orderKey } = order;
  const cancel = useAction(async () => {
    await call('POST /v1/orders/{orderKey}/cancel', { path: { orderKey } }).finally(() => setAsking(false));
    reload();
  });
  return (
    <>
      {order.waiting?.reason === 'needs_review' && may('orders:review') && (
        <Link to={`/revisao/${orderKey}`} className="button primary">
          Revisar
        </Link>
      )}
      {isOpen(order) && may('orders:write') && (
        <button type="button" className="danger" onClick={() => setAsking(true)}>
          Cancelar ordem
        </button>
      )}
      {cancel.problem && <ProblemNotice problem={cancel.problem} />}
      {asking && (
        <Confirm
          title="Cancelar esta ordem?"
          action="Cancelar a ordem"
          busy={cancel.busy}
          onConfirm={() => void cancel.run()}
          onClose={() => setAsking(false)}
        >
          <p>Ela termina como cancelada e não pode ser retomada. Quem a espera é avisado.</p>
        </Confirm>
      )}
    </>
  );
};

/** The answer in a sentence: what the badges say, and what it means. */
const outcome = (order: Order): string => {
  if (order.waiting) return waitingReason(order.waiting);
  if (order.failureReason) return failureReason[order.failureReason];
  if (order.verdict === 'quorum') return 'As pessoas por trás da ordem podem assiná-la.';
  return 'A ordem está sendo decidida; esta página se atualiza sozinha.';
};

/** The keys of the order by their names, where the area still has them. */
const useNames = ({ areaId }: Order): ((key: string) => string) => {
  const { call } = useDesk();
  const { data } = useLoad(`standards ${areaId}`, (signal) =>
    call('GET /v1/areas/{areaId}/standards', { path: { areaId }, signal }),
  );
  const named = [data?.platforms, data?.signatureMethods, data?.powers].flatMap((list) => list ?? []);
  return (key) => named.find((one) => one.key === key)?.name ?? key;
};

const Whole = ({ order }: { order: Order }) => {
  const nameOf = useNames(order);
  return (
    <>
      <section className="card" aria-label="Resultado">
        <div role="status">
          <p className="outcome">
            <OrderBadge order={order} /> {order.verdict && <VerdictBadge verdict={order.verdict} />}
          </p>
          <p className="outcome-words">{outcome(order)}</p>
        </div>
        <Facts
          rows={[
            ['Área', order.areaId],
            ['Valor', order.amountCents === null ? 'sem valor' : money(order.amountCents)],
            ['Ato', nameOf(order.power)],
            ['Plataforma', nameOf(order.platform)],
            ['Meio de assinatura', nameOf(order.signatureMethod)],
            ['Contrato', order.contractId],
            [
              'Requisitante',
              `${document(order.requester.document)} (${partyType[order.requester.type].toLowerCase()})`,
            ],
            ['Criada em', instant(order.createdAt)],
            ['Decidida em', order.decidedAt && instant(order.decidedAt)],
            ['Prazo', isOpen(order) ? instant(order.decideBy) : null],
          ]}
        />
      </section>
      {order.parties.map((party) => (
        <PartyCard key={`${party.role} ${party.document}`} party={party} />
      ))}
      <Evidence order={order} />
      <Timeline order={order} />
    </>
  );
};

const Evidence = ({ order }: { order: Order }) => (
  <section className="card">
    <h2>Evidências</h2>
    {order.evidence.length === 0 ? (
      <p className="quiet">Nenhuma resposta de parceiro foi guardada para esta ordem.</p>
    ) : (
      <table className="cards">
        <caption className="hidden">Respostas de parceiros que a ordem guarda</caption>
        <thead>
          <tr>
            <th scope="col">Fonte</th>
            <th scope="col">Recebida em</th>
            <th scope="col">SHA-256</th>
          </tr>
        </thead>
        <tbody>
          {order.evidence.map(({ partner, receivedAt, sha256 }) => (
            <tr key={`${partner} ${receivedAt} ${sha256}`}>
              <th scope="row" data-label="Fonte">
                {partnerName[partner] ?? partner}
              </th>
              <td data-label="Recebida em" className="fixed">
                {instant(receivedAt)}
              </td>
              <td data-label="SHA-256">
                <code>{sha256}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    )}
    {order.certificate && <Certificate text={order.certificate} />}
  </section>
);

/** The signed decision, to be checked by anyone with `lastro quorum verify`. */
const Certificate = ({ text }: { text: string }) => {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <details>
      <summary>Certificado da decisão</summary>
      <p>Assinado pelo Lastro; qualquer pessoa o confere com a chave pública.</p>
      <p>
        <button type="button" onClick={() => void copy().catch(() => setCopied(false))}>
          Copiar
        </button>{' '}
        <span role="status">{copied ? 'Copiado.' : ''}</span>
      </p>
      <p>
        <code>{text}</code>
      </p>
    </details>
  );
};

const detailWords = (type: string, detail: Record<string, unknown>): string | null => {
  const text = (name: string): string | null => {
    const value = detail[name];
    return typeof value === 'string' ? value : null;
  };
  if (type === 'waiting')
    return waitingReason({
      reason: text('reason') === 'needs_review' ? 'needs_review' : 'waiting_partner',
      partner: text('partner'),
    });
  if (type === 'reviewed') return text('reason');
  return null;
};

const Timeline = ({ order }: { order: Order }) => (
  <section className="card">
    <h2>Linha do tempo</h2>
    <ol className="timeline">
      {order.timeline.map(({ type, at, by, detail }) => (
        <li key={`${type} ${at}`}>
          <strong>{eventType[type] ?? type}</strong> · <time dateTime={at}>{instant(at)}</time>
          <br />
          <span className="quiet">por {by}</span>
          {detailWords(type, detail) && <p>{detailWords(type, detail)}</p>}
        </li>
      ))}
    </ol>
  </section>
);
