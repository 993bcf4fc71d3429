import type { FormEvent } from 'react';
import type { Order } from '../api/openapi.ts';
import { document } from '../format.ts';
import { useAction } from '../parts/action.ts';
import { OrderBadge } from '../parts/badge.tsx';
import { AreaField, SelectField, Violations } from '../parts/field.tsx';
import { FormErrors } from '../parts/form-errors.tsx';
import { useLoad } from '../parts/load.ts';
import { Notice } from '../parts/notice.tsx';
import { Page } from '../parts/page.tsx';
import { PartyCard } from '../parts/party.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { Link, navigate } from '../router.tsx';
import { useDesk, useKeptState } from '../session/session.tsx';
import { role } from '../words/words.ts';
import {
  type Answer,
  doubtsOf,
  emptyReview,
  needsAlternatives,
  type OpenDoubt,
  reviewBody,
} from './review-form.ts';

export const ReviewPage = ({ orderKey }: { orderKey: string }) => {
  const { call } = useDesk();
  const { data, problem, reload } = useLoad(orderKey, (signal) =>
    call('GET /v1/orders/{orderKey}', { path: { orderKey }, signal }),
  );
  return (
    <Page title="Revisar ordem">
      <p>
        <Link to={`/ordens/${orderKey}`} className="key">
          {orderKey}
        </Link>{' '}
        {data && <OrderBadge order={data} />}
      </p>
      {problem && <ProblemNotice problem={problem} retry={reload} />}
      {!data && !problem && <p role="status">Carregando a ordem…</p>}
      {data && data.waiting?.reason !== 'needs_review' && (
        <Notice kind="info" title="Esta ordem não espera revisão">
          <p>Outra pessoa pode ter resolvido a dúvida.</p>
        </Notice>
      )}
      {data?.waiting?.reason === 'needs_review' && <ReviewForm order={data} reload={reload} />}
      {data?.parties.map((party) => (
        <PartyCard key={`${party.role} ${party.document}`} party={party} />
      ))}
    </Page>
  );
};

const ReviewForm = ({ order, reload }: { order: Order; reload: () => void }) => {
  const { call, session } = useDesk();
  const { orderKey } = order;
  const [state, setState] = useKeptState(() => emptyReview);
  const doubts = doubtsOf(order);
  const body = reviewBody(doubts, state);
  const isOwn = order.timeline.some(({ type, by }) => type === 'order_created' && by === session.subject);
  const send = useAction(async () => {
    await call('POST /v1/orders/{orderKey}/review', { path: { orderKey }, body });
    navigate(`/ordens/${orderKey}`);
  });
  const answer = (open: OpenDoubt, next: Answer): void =>
    setState({ ...state, answers: { ...state.answers, [open.key]: next } });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void send.run();
  };
  if (isOwn)
    return (
      <Notice kind="warn" title="Outra pessoa precisa revisar esta ordem">
        <p>Foi você quem a criou.</p>
      </Notice>
    );
  return (
    <>
      <FormErrors problem={send.problem} />
      {send.problem?.type === 'conflict' && (
        <p>
          <button type="button" onClick={reload}>
            Recarregar a ordem
          </button>
        </p>
      )}
      <Violations value={send.problem?.violations ?? []}>
        <form onSubmit={submit} noValidate>
          {doubts.map((open) => (
            <DoubtField
              key={open.key}
              order={order}
              open={open}
              pointer={pointerOf(body, doubts, open, state.answers)}
              answer={state.answers[open.key]}
              onChange={(next) => answer(open, next)}
            />
          ))}
          <section className="card">
            <AreaField
              label="Motivo"
              pointer="/reason"
              hint="Por quê, nas suas palavras; pelo menos 10 caracteres"
              required
              maxLength={4_000}
              value={state.reason}
              onChange={(reason) => setState({ ...state, reason })}
            />
            <AreaField
              label="Evidência"
              pointer="/evidence"
              hint="Onde se vê: um documento, um protocolo, um endereço"
              required
              maxLength={4_000}
              value={state.evidence}
              onChange={(evidence) => setState({ ...state, evidence })}
            />
            <p className="after">
              <button
                type="submit"
                className="primary"
                disabled={send.busy || body.settlements.length === 0}
                aria-describedby="o-que-falta"
              >
                {send.busy ? 'Registrando…' : 'Registrar revisão'}
              </button>{' '}
              <span id="o-que-falta" className="hint">
                {body.settlements.length === 0 ? 'Responda pelo menos uma dúvida.' : ''}
              </span>
            </p>
          </section>
        </form>
      </Violations>
    </>
  );
};

/** Where a doubt's answer stands in the request, for what is found wrong with it. */
const pointerOf = (
  body: ReturnType<typeof reviewBody>,
  doubts: readonly OpenDoubt[],
  open: OpenDoubt,
  answers: Readonly<Record<string, Answer>>,
): string => {
  const answered = doubts.filter(({ key }) => (answers[key]?.outcome ?? 'open') !== 'open');
  const index = answered.indexOf(open);
  return index < 0 ? `/settlements/${body.settlements.length}-${open.key}` : `/settlements/${index}`;
};

const outcomes = {
  reservation: [
    { value: 'open', name: 'Deixar em aberto' },
    { value: 'applies', name: 'Vale para este ato: a pessoa não pode assinar' },
    { value: 'does_not_apply', name: 'Não vale para este ato: a pessoa pode assinar' },
  ],
  rule: [
    { value: 'open', name: 'Deixar em aberto' },
    { value: 'applies', name: 'A regra vale para este ato' },
    { value: 'does_not_apply', name: 'A regra não vale para este ato' },
  ],
} as const;

const DoubtField = ({
  order,
  open,
  pointer,
  answer = { outcome: 'open', requires: [] },
  onChange,
}: {
  order: Order;
  open: OpenDoubt;
  pointer: string;
  answer: Answer | undefined;
  onChange: (answer: Answer) => void;
}) => {
  const { doubt } = open;
  const party = order.parties[open.party];
  if (!party) return null;
  const person = doubt.kind === 'reservation' && party.people.find(({ id }) => id === doubt.person);
  const choose = (value: string): void => {
    const outcome = value === 'applies' || value === 'does_not_apply' ? value : 'open';
    const first = doubt.kind === 'rule' ? (doubt.groups[0] ?? '') : '';
    const requires = answer.requires.length > 0 ? answer.requires : [{ id: 1, group: first, min: '1' }];
    onChange({ outcome, requires });
  };
  return (
    <section className="card">
      <h2>
        {person
          ? `Ressalva de ${person.name ?? 'pessoa sem nome'}`
          : doubt.kind === 'rule'
            ? `${doubt.effect === 'forbid' ? 'Proibição' : 'Regra'} ${doubt.rule} (versão ${doubt.version})`
            : 'Ressalva'}
      </h2>
      <p className="quiet">
        {role[party.role]} {document(party.document)}
        {person && ` · CPF ${document(person.document)}`}
      </p>
      {doubt.kind === 'reservation' ? (
        <blockquote>{doubt.text ?? 'A ressalva não tem texto: procure o documento de origem.'}</blockquote>
      ) : (
        <p>O texto da regra não pôde ser lido pelo sistema. Leia o documento da empresa.</p>
      )}
      <SelectField
        label="O que você leu"
        pointer={pointer}
        value={answer.outcome}
        onChange={choose}
        options={outcomes[doubt.kind]}
      />
      {doubt.kind === 'rule' && needsAlternatives(doubt, answer) && (
        <Requirements groups={doubt.groups} answer={answer} onChange={onChange} />
      )}
    </section>
  );
};

const numbers = Array.from({ length: 10 }, (_, index) => ({
  value: String(index + 1),
  name: index === 0 ? 'uma pessoa' : `${index + 1} pessoas`,
}));
const mins = [
  ...numbers,
  { value: 'majority', name: 'a maioria' },
  { value: 'all', name: 'todas as pessoas' },
];

/** Who signs by the rule: so many of each of these groups, together. */
const Requirements = ({
  groups,
  answer,
  onChange,
}: {
  groups: readonly string[];
  answer: Answer;
  onChange: (answer: Answer) => void;
}) => {
  const { requires } = answer;
  const set = (index: number, part: Partial<(typeof requires)[number]>): void =>
    onChange({ ...answer, requires: requires.map((one, at) => (at === index ? { ...one, ...part } : one)) });
  return (
    <fieldset className="after">
      <legend>Quem assina segundo a regra, em conjunto</legend>
      {requires.map((one, index) => (
        <div className="item" key={one.id}>
          <SelectField
            label="Assinam"
            value={one.min}
            onChange={(min) => set(index, { min })}
            options={mins}
          />
          <SelectField
            label="Do grupo"
            value={one.group}
            onChange={(group) => set(index, { group })}
            options={groups.map((group) => ({ value: group, name: group }))}
          />
          {requires.length > 1 && (
            <div>
              <button
                type="button"
                onClick={() => onChange({ ...answer, requires: requires.filter(({ id }) => id !== one.id) })}
              >
                Remover
              </button>
            </div>
          )}
        </div>
      ))}
      <button
        type="button"
        onClick={() =>
          onChange({
            ...answer,
            requires: [
              ...requires,
              { id: Math.max(...requires.map(({ id }) => id)) + 1, group: groups[0] ?? '', min: '1' },
            ],
          })
        }
      >
        Incluir outro grupo
      </button>
    </fieldset>
  );
};
