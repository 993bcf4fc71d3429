import type { ReportKind } from '../api/openapi.ts';
import { useDesk } from '../session/session.tsx';
import { type Loaded, useLoad } from './load.ts';

/**
 * The kinds of report. Who may not see orders is a client of the bank, for whom there are the kinds of their own
 * orders; whether a report is given is decided by the API.
 */
export const useReportKinds = (): {
  kinds: readonly ReportKind[];
  titleOf: (name: string) => string;
  loaded: Loaded<unknown>;
} => {
  const { call, may } = useDesk();
  const loaded = useLoad('kinds', (signal) => call('GET /v1/reports/kinds', { signal }));
  const all = loaded.data?.items ?? [];
  return {
    kinds: may('orders:read') ? all : all.filter(({ audience }) => audience === 'client'),
    titleOf: (name) => all.find((kind) => kind.name === name)?.title ?? name,
    loaded,
  };
};
