import type { FormEvent } from 'react';
import { useAction } from '../parts/action.ts';
import { AreaChoice } from '../parts/area-choice.tsx';
import { useAreas } from '../parts/area-options.ts';
import { AreaField, CheckField, SelectField, TextField, Violations } from '../parts/field.tsx';
import { FormErrors } from '../parts/form-errors.tsx';
import { Page } from '../parts/page.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { useReportKinds } from '../parts/report-kinds.ts';
import { untilAnswered, useRequestKey } from '../parts/send-once.ts';
import { navigate, usePlace } from '../router.tsx';
import { useDesk, useKeptState } from '../session/session.tsx';
import { archiveAge } from '../words/archive-age.ts';
import { archivedStatus, kindAbout, parameterName, reportFormat } from '../words/words.ts';
import { type ReportState, reportBody, reportStateOf } from './report-form.ts';

const formats = Object.entries(reportFormat).map(([value, name]) => ({ value, name }));
const statuses = Object.entries(archivedStatus).map(([value, name]) => ({ value, name }));

export const NewReportPage = () => {
  const { call, may, settings } = useDesk();
  const { query } = usePlace();
  const { kinds, loaded } = useReportKinds();
  const areas = useAreas();
  const [state, setState] = useKeptState(() => reportStateOf(query));
  const change = (part: Partial<ReportState>): void => setState({ ...state, ...part });
  const kind = kinds.find(({ name }) => name === state.kind);
  const keyOf = useRequestKey();
  const send = useAction(async () => {
    const body = reportBody(state, kind);
    const placed = await untilAnswered(() => call('POST /v1/reports', { body, idempotencyKey: keyOf(body) }));
    navigate(`/relatorios/${placed.reportId}`);
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void send.run();
  };
  const parameter = (name: keyof typeof parameterName) => ({
    label: parameterName[name],
    pointer: `/parameters/${name}`,
    value: state.parameters[name] ?? '',
    onChange: (value: string) => change({ parameters: { ...state.parameters, [name]: value } }),
  });
  return (
    <Page title="Pedir relatório">
      <p className="archived">
        É por relatório que se veem as ordens com mais de {archiveAge(settings.archiveOlderThan)}.
      </p>
      {loaded.problem && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
      <FormErrors problem={send.problem} />
      <Violations value={send.problem?.violations ?? []}>
        <form onSubmit={submit} noValidate>
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
            {kind?.parameters.map(({ name, required }) =>
              name === 'areaId' ? (
                <AreaChoice key={name} {...parameter(name)} required={required} areas={areas} />
              ) : (
                <TextField key={name} {...parameter(name)} required={required} maxLength={200} />
              ),
            )}
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
          <section className="card">
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
            <p className="after">
              <button type="submit" className="primary" disabled={send.busy || !kind}>
                {send.busy ? 'Pedindo…' : 'Pedir relatório'}
              </button>
            </p>
          </section>
        </form>
      </Violations>
    </Page>
  );
};
