import type { AreaStandards } from '../api/openapi.ts';
import { money } from '../format.ts';
import { AreaChoice } from '../parts/area-choice.tsx';
import type { useAreas } from '../parts/area-options.ts';
import { SelectField, TextField } from '../parts/field.tsx';
import type { NewOrderState } from './new-order-form.ts';
import { PartyFields } from './new-order-parties.tsx';

type Fields = {
  state: NewOrderState;
  /** Absent until they are loaded. */
  standards: AreaStandards | undefined;
  change: (part: Partial<NewOrderState>) => void;
};

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

/** What the order is about: its area, act, channel and value, as the area's standards allow them. */
export const ActFields = ({
  state,
  standards,
  change,
  areas,
}: Fields & { areas: ReturnType<typeof useAreas> }) => (
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
      options={options(standards?.powers)}
      empty="Escolha"
    />
    <SelectField
      label="Plataforma"
      pointer="/platform"
      required
      value={state.platform}
      onChange={(platform) => change({ platform })}
      options={options(standards?.platforms)}
      empty="Escolha"
    />
    <SelectField
      label="Meio de assinatura"
      pointer="/signatureMethod"
      required
      value={state.signatureMethod}
      onChange={(signatureMethod) => change({ signatureMethod })}
      options={options(standards?.signatureMethods)}
      empty="Escolha"
    />
    <TextField
      label="Valor"
      pointer="/amountCents"
      hint={amountHint(standards)}
      inputMode="decimal"
      required={standards?.amount.required ?? true}
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
);

export const RequesterFields = ({ state, standards, change }: Fields) => (
  <section className="card">
    <h2>Requisitante</h2>
    <PartyFields
      pointer="/requester"
      party={state.requester}
      types={standards?.requesterTypes ?? ['company', 'person']}
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
);

export const CallbackField = ({ state, change }: Omit<Fields, 'standards'>) => (
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
);
