import { type FormEvent, useEffect, useState } from 'react';
import type { AreaStandards, Simulation } from '../api/openapi.ts';
import { ApiProblem, type Violation } from '../api/problem.ts';
import { useAction } from '../parts/action.ts';
import { useAreas } from '../parts/area-options.ts';
import { VerdictBadge } from '../parts/badge.tsx';
import { Violations } from '../parts/field.tsx';
import { FormErrors } from '../parts/form-errors.tsx';
import { useLoad } from '../parts/load.ts';
import { Page } from '../parts/page.tsx';
import { PartyCard } from '../parts/party.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { untilAnswered, useRequestKey } from '../parts/send-once.ts';
import { navigate } from '../router.tsx';
import { useDesk, useKeptState } from '../session/session.tsx';
import { failureReason, waitingReason } from '../words/words.ts';
import { ActFields, CallbackField, RequesterFields } from './new-order-fields.tsx';
import { declaresSigning, emptyOrder, type NewOrderState, orderBody } from './new-order-form.ts';
import { DeclaredSigning, Guarantors } from './new-order-parties.tsx';

/** A technical failure says nothing of the order, and must not keep anyone from sending it. */
const isTechnical = ({ status }: ApiProblem): boolean => status === 0 || status >= 500;

type Simulated = { content: string; result: Simulation | null };

/** Simulating and sending what the form stands for, and what is wrong with it. */
const useSending = (state: NewOrderState, standards: AreaStandards | undefined) => {
  const { call } = useDesk();
  const { body, violations: own } = orderBody(state, standards);
  const content = JSON.stringify(body);
  const [local, setLocal] = useState<readonly Violation[]>([]);
  const [simulated, setSimulated] = useState<Simulated>();
  const keyOf = useRequestKey();
  const simulate = useAction(async () => {
    setSimulated(undefined);
    setLocal(own);
    if (own.length > 0) return;
    send.clear();
    try {
      setSimulated({ content, result: await call('POST /v1/orders/simulate', { body }) });
    } catch (error) {
      if (error instanceof ApiProblem && isTechnical(error)) setSimulated({ content, result: null });
      throw error;
    }
  });
  const send = useAction(async () => {
    setLocal(own);
    if (own.length > 0) return;
    simulate.clear();
    const placed = await untilAnswered(() => call('POST /v1/orders', { body, idempotencyKey: keyOf(body) }));
    navigate(`/ordens/${placed.orderKey}`);
  });
  const problem = local.length > 0 ? undefined : (send.problem ?? simulate.problem);
  const maySend = simulated?.content === content;
  return {
    simulate,
    send,
    problem,
    violations: local.length > 0 ? local : (problem?.violations ?? []),
    maySend,
    result: maySend ? simulated.result : null,
  };
};

export const NewOrderPage = () => {
  const { call } = useDesk();
  const areas = useAreas();
  const [state, setState] = useKeptState(() => emptyOrder(''));
  const change = (part: Partial<NewOrderState>): void => setState({ ...state, ...part });
  const only = areas.choices.length === 1 && !areas.all ? areas.choices[0]?.value : undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the areas are known
  useEffect(() => {
    if (only && state.areaId === '') change({ areaId: only });
  }, [only]);
  const loaded = useLoad(/^[\w.-]{2,64}$/.test(state.areaId) ? state.areaId : null, (signal) =>
    call('GET /v1/areas/{areaId}/standards', { path: { areaId: state.areaId }, signal }),
  );
  const standards = loaded.data;
  const sending = useSending(state, standards);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void sending.simulate.run();
  };
  return (
    <Page title="Nova ordem">
      <FormErrors problem={sending.problem} violations={sending.violations} />
      <Violations value={sending.violations}>
        <form onSubmit={submit} noValidate>
          <ActFields state={state} standards={standards} change={change} areas={areas} />
          {loaded.problem && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
          <RequesterFields state={state} standards={standards} change={change} />
          {standards && standards.guarantors.max > 0 && (
            <Guarantors state={state} limits={standards.guarantors} change={change} />
          )}
          {standards && declaresSigning(state, standards) && (
            <DeclaredSigning state={state} most={standards.maxRepresentatives} change={change} />
          )}
          {standards?.callbackAllowed && <CallbackField state={state} change={change} />}
          <SendButtons {...sending} />
        </form>
      </Violations>
      <div role="status" className="simulation">
        {sending.result && <SimulationResult simulation={sending.result} />}
      </div>
    </Page>
  );
};

const SendButtons = ({
  simulate,
  send,
  maySend,
}: Pick<ReturnType<typeof useSending>, 'simulate' | 'send' | 'maySend'>) => (
  <div className="actions">
    <button type="submit" className={maySend ? '' : 'primary'} disabled={simulate.busy || send.busy}>
      {simulate.busy ? 'Simulando…' : 'Simular'}
    </button>
    <button
      type="button"
      className={maySend ? 'primary' : ''}
      disabled={!maySend || send.busy || simulate.busy}
      aria-describedby="antes-de-enviar"
      onClick={() => void send.run()}
    >
      {send.busy ? 'Enviando…' : 'Enviar ordem'}
    </button>
    <span id="antes-de-enviar" className="hint">
      {maySend ? 'Enviar grava a ordem e avisa os participantes.' : 'Simule antes de enviar: nada é gravado.'}
    </span>
  </div>
);

const SimulationResult = ({ simulation }: { simulation: Simulation }) => (
  <>
    <h2>
      Resultado da simulação <VerdictBadge verdict={simulation.verdict} />
    </h2>
    {simulation.waiting && <p>{waitingReason(simulation.waiting)}</p>}
    {simulation.failureReason && <p>{failureReason[simulation.failureReason]}</p>}
    {simulation.parties.map((party) => (
      <PartyCard key={`${party.role} ${party.document}`} party={party} />
    ))}
  </>
);
