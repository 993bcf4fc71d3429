import type { FormEvent } from 'react';
import { useAction } from '../parts/action.ts';
import { Violations } from '../parts/field.tsx';
import { FormErrors } from '../parts/form-errors.tsx';
import { Page } from '../parts/page.tsx';
import { ProblemNotice } from '../parts/problem-notice.tsx';
import { useReportKinds } from '../parts/report-kinds.ts';
import { untilAnswered, useRequestKey } from '../parts/send-once.ts';
import { navigate, usePlace } from '../router.tsx';
import { useDesk, useKeptState } from '../session/session.tsx';
import { archiveAge } from '../words/archive-age.ts';
import { DeliveryFields, ReportFields } from './new-report-fields.tsx';
import { type ReportState, reportBody, reportStateOf } from './report-form.ts';

export const NewReportPage = () => {
  const { call, settings } = useDesk();
  const { query } = usePlace();
  const { kinds, loaded } = useReportKinds();
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
  return (
    <Page title="Pedir relatório">
      <p className="archived">
        É por relatório que se veem as ordens com mais de {archiveAge(settings.archiveOlderThan)}.
      </p>
      {loaded.problem && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
      <FormErrors problem={send.problem} />
      <Violations value={send.problem?.violations ?? []}>
        <form onSubmit={submit} noValidate>
          <ReportFields state={state} kind={kind} kinds={kinds} change={change} />
          <section className="card">
            <DeliveryFields state={state} kind={kind} change={change} />
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
