import type { ReportKind } from '../api/openapi.ts';
import { AreaChoice } from '../parts/area-choice.tsx';
import { useAreas } from '../parts/area-options.ts';
import { AreaField, CheckField, SelectField, TextField } from '../parts/field.tsx';
import { useDesk } from '../session/session.tsx';
import { archivedStatus, kindAbout, parameterName, reportFormat } from '../words/words.ts';
import type { ReportState } from './report-form.ts';

const formats = Object.entries(reportFormat).map(([value, name]) => ({ value, name }));
const statuses = Object.entries(archivedStatus).map(([value, name]) => ({ value, name }));

type Fields = {
  state: ReportState;
  /** Absent until one is chosen. */
  kind: ReportKind | undefined;
  change: (part: Partial<ReportState>) => void;
};

/** Which report, of which orders, as what. */
export const ReportFields = ({ state, kind, kinds, change }: Fields & { kinds: readonly ReportKind[] }) => (
  <section className="card form">
    <SelectField
      label="Relatório"
      pointer="/kind"
      required
      hint={kindAbout[state.kind]}
      value={state.kind}
      onChange={(name) => change({ kind: name })}
      options={kinds.map(({ name, title }) => ({ value: name, name: title }))}
      empty="Escolha"
    />
    <Parameters state={state} kind={kind} change={change} />
    <TextField
      label="Ordens criadas de"
      pointer="/from"
      type="date"
      required={false}
      value={state.from}
      onChange={(from) => change({ from })}
    />
    <TextField
      label="Ordens criadas até"
      pointer="/to"
      type="date"
      required={false}
      value={state.to}
      onChange={(to) => change({ to })}
    />
    <SelectField
      label="Situação das ordens"
      pointer="/status"
      required={false}
      value={state.status}
      onChange={(status) => change({ status })}
      options={statuses}
      empty="Todas"
    />
    <SelectField
      label="Formato"
      pointer="/format"
      required
      value={state.format}
      onChange={(format) => change({ format: format as ReportState['format'] })}
      options={formats}
    />
  </section>
);

/** What the kind of report is asked by. */
const Parameters = ({ state, kind, change }: Fields) => {
  const areas = useAreas();
  const parameter = (name: keyof typeof parameterName) => ({
    label: parameterName[name],
    pointer: `/parameters/${name}`,
    value: state.parameters[name] ?? '',
    onChange: (value: string) => change({ parameters: { ...state.parameters, [name]: value } }),
  });
  return kind?.parameters.map(({ name, required }) =>
    name === 'areaId' ? (
      <AreaChoice key={name} {...parameter(name)} required={required} areas={areas} />
    ) : (
      <TextField key={name} {...parameter(name)} required={required} maxLength={200} />
    ),
  );
};

/** How the file is to be, why it is needed, and who is told. */
export const DeliveryFields = ({ state, kind, change }: Fields) => {
  const { may } = useDesk();
  return (
    <>
      {state.format === 'csv' && (
        <CheckField
          label="Pronto para abrir no Excel"
          hint="Colunas separadas por ponto e vírgula, com marca de UTF-8"
          checked={state.forExcel}
          onChange={(forExcel) => change({ forExcel })}
        />
      )}
      {kind?.columns.some(({ type }) => type === 'json') && (
        <CheckField
          label="Abrir os campos compostos em colunas"
          checked={state.flat}
          onChange={(flat) => change({ flat })}
        />
      )}
      {may('reports:unmasked') && (
        <CheckField
          label="Sem máscara em CPF, e-mail e telefone"
          hint="Fica registrado na trilha de auditoria"
          checked={state.unmasked}
          onChange={(unmasked) => change({ unmasked })}
        />
      )}
      <AreaField
        label="Finalidade"
        pointer="/purpose"
        hint="Para que os dados são necessários (LGPD); fica na trilha de auditoria"
        required
        maxLength={500}
        value={state.purpose}
        onChange={(purpose) => change({ purpose: purpose.replaceAll(/\s*\n\s*/g, ' ') })}
      />
      <TextField
        label="Avisar por e-mail"
        pointer="/notify/email"
        type="email"
        hint="Recebe um endereço desta página, nunca os dados"
        required={false}
        value={state.email}
        onChange={(email) => change({ email })}
      />
    </>
  );
};
