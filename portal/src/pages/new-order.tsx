import { type FormEvent, useEffect, useState } from 'react';
import type { AreaStandards, Simulation } from '../api/openapi.ts';
import type { Violation } from '../api/problem.ts';
import { money } from '../format.ts';
import { useAction } from '../parts/action.ts';
import { AreaChoice } from '../parts/area-choice.tsx';
import { useAreas } from '../parts/area-options.ts';
import { VerdictBadge } from '../parts/badge.tsx';
import { SelectField, TextField, Violations } from '../parts/field.tsx';
import { FormErrors } from '../parts/form-errors.tsx';
import { useLoad } from '../parts/load.ts';
import { Page } from '../parts/page.tsx';
import { PartyCard } from '../parts/party.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { untilAnswered, useRequestKey } from '../parts/send-once.ts';
import { navigate } from '../router.tsx';
import { useDesk, useKeptState } from '../session/session.tsx';
import { failureReason, waitingReason } from '../words/words.ts';
import { declaresSigning, emptyOrder, type NewOrderState, orderBody } from './new-order-form.ts';
import { DeclaredSigning, Guarantors, PartyFields } from './new-order-parties.tsx';

const options = (named: readonly { key: string; name: string }[] | undefined) =>
  (named ?? []).map(({ key, name }) => ({ value: key, name }));

const amountHint = (standards: AreaStandards | undefined): string | undefined => {
  if (!standards) return undefined;
  const { minCents, maxCents } = standards.amount;
  const limits = [
    minCents !== null && `de ${money(minCents)}`,
    maxCents !== null && `até ${money(maxCents)}`,
  ];
  return limits.some(Boolean) ? `Em reais, ${limits.filter(Boolean).join(' ')}` : 'Em reais';
};

/** A technical failure says nothing of the order, and must not keep anyone from sending it. */
const isTechnical = (status: number): boolean => status === 0 || status >= 500;

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
  const standards = useLoad(/^[\w.-]{2,64}$/.test(state.areaId) ? state.areaId : null, (signal) =>
    call('GET /v1/areas/{areaId}/standards', { path: { areaId: state.areaId }, signal }),
  );
  const { body, violations: own } = orderBody(state, standards.data);
  const content = JSON.stringify(body);
  const [local, setLocal] = useState<readonly Violation[]>([]);
  const [simulated, setSimulated] = useState<{ content: string; result: Simulation | null }>();
  const keyOf = useRequestKey();

  const simulate = useAction(async () => {
    setSimulated(undefined);
    setLocal(own);
    if (own.length > 0) return;
    send.clear();
    try {
      const result = await call('POST /v1/orders/simulate', { body });
      setSimulated({ content, result });
    } catch (error) {
      const status = error instanceof Error && 'status' in error ? Number(error.status) : 0;
      if (isTechnical(status)) setSimulated({ content, result: null });
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
  const problem = send.problem ?? simulate.problem;
  const violations = local.length > 0 ? local : (problem?.violations ?? []);
  const maySend = simulated?.content === content;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void simulate.run();
  };

  return (
    <Page title="Nova ordem">
      <FormErrors problem={local.length > 0 ? undefined : problem} violations={violations} />
      <Violations value={violations}>
        <form onSubmit={submit} noValidate>
          <section className="card form">
            <AreaChoice
              label="Área"
              pointer="/areaId"
              required
              areas={areas}
              value={state.areaId}
              onChange={(areaId) => change({ areaId, platform: '', signatureMethod: '', power: '' })}
            />
            <SelectField
              label="Ato"
              pointer="/power"
              required
              value={state.power}
              onChange={(power) => change({ power })}
              options={options(standards.data?.powers)}
              empty="Escolha"
            />
            <SelectField
              label="Plataforma"
              pointer="/platform"
              required
              value={state.platform}
              onChange={(platform) => change({ platform })}
              options={options(standards.data?.platforms)}
              empty="Escolha"
            />
            <SelectField
              label="Meio de assinatura"
              pointer="/signatureMethod"
              required
              value={state.signatureMethod}
              onChange={(signatureMethod) => change({ signatureMethod })}
              options={options(standards.data?.signatureMethods)}
              empty="Escolha"
            />
            <TextField
              label="Valor"
              pointer="/amountCents"
              hint={amountHint(standards.data)}
              inputMode="decimal"
              required={standards.data?.amount.required ?? true}
              value={state.amount}
              onChange={(amount) => change({ amount })}
            />
            <TextField
              label="Contrato"
              pointer="/contractId"
              required={false}
              maxLength={64}
              value={state.contractId}
              onChange={(contractId) => change({ contractId })}
            />
          </section>
          {standards.problem && <ProblemNotice problem={standards.problem} retry={standards.reload} />}
          <section className="card">
            <h2>Requisitante</h2>
            <PartyFields
              pointer="/requester"
              party={state.requester}
              types={standards.data?.requesterTypes ?? ['company', 'person']}
              onChange={(requester) => change({ requester })}
            />
            <TextField
              label="CPF de quem pede"
              pointer="/requestedBy"
              hint="Para regras que não deixam quem pede assinar"
              required={false}
              value={state.requestedBy}
              onChange={(requestedBy) => change({ requestedBy })}
            />
          </section>
          {(standards.data?.guarantors.max ?? 0) > 0 && (
            <Guarantors
              state={state}
              limits={standards.data?.guarantors ?? { min: 0, max: 0 }}
              change={change}
            />
          )}
          {declaresSigning(state, standards.data) && (
            <DeclaredSigning state={state} most={standards.data?.maxRepresentatives ?? 1} change={change} />
          )}
          {standards.data?.callbackAllowed && (
            <section className="card">
              <TextField
                label="Endereço de retorno"
                pointer="/callbackUrl"
                type="url"
                hint="Recebe o resultado assim que a ordem é decidida; começa com https://"
                required={false}
                value={state.callbackUrl}
                onChange={(callbackUrl) => change({ callbackUrl })}
              />
            </section>
          )}
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
              {maySend
                ? 'Enviar grava a ordem e avisa os participantes.'
                : 'Simule antes de enviar: nada é gravado.'}
            </span>
          </div>
        </form>
      </Violations>
      <div role="status" className="simulation">
        {maySend && simulated.result && <SimulationResult simulation={simulated.result} />}
      </div>
    </Page>
  );
};

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
