import type { ReportColumnDescription, ReportParameters } from '../../src/reports/contract.ts';
import { reportKinds } from '../../src/reports/reports.ts';
import type { SourceRow } from './report-oracle.ts';

/** The value that most rows have. */
export const busiest = (values: (string | null | undefined)[]): string => {
  const counts = new Map<string, number>();
  for (const value of values) if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '';
};

export type ReportCase = {
  kind: string;
  parameters: ReportParameters;
  filter: (row: SourceRow) => boolean;
  participant?: string;
};

const takesPart = (row: SourceRow, client: string): boolean =>
  row.cliente_participante_id?.includes(client) ?? false;

/** A request of every kind, about what is most hostile in the source, and the rows that it is about. */
export const reportCases = (rows: readonly SourceRow[]): ReportCase[] => {
  const contract = busiest(rows.map((row) => row.contrato_id));
  const requester = "=cmd|' /C calc'!A0";
  const participant = busiest(
    rows.flatMap((row) => row.cliente_participante_id ?? []).filter((id) => !id.startsWith('cli_')),
  );
  const order = rows.find((row) => takesPart(row, participant))?.ordem_id ?? '';
  const ofOrder = { parameters: { orderId: order }, filter: (row: SourceRow) => row.ordem_id === order };
  const ofArea = { parameters: { areaId: 'ARE01' }, filter: (row: SourceRow) => row.area_id === 'ARE01' };
  const ofParticipant = {
    parameters: { participantId: participant },
    filter: (row: SourceRow) => takesPart(row, participant),
  };
  return [
    {
      kind: 'client-orders',
      parameters: { clientId: participant },
      filter: (row) => row.cliente_requisitante_id === participant || takesPart(row, participant),
    },
    { kind: 'area-orders', ...ofArea },
    {
      kind: 'contract-orders',
      parameters: { contractId: contract },
      filter: (row) => row.contrato_id === contract,
    },
    {
      kind: 'requester-orders',
      parameters: { requesterId: requester },
      filter: (row) => row.cliente_requisitante_id === requester,
    },
    { kind: 'participant-orders', ...ofParticipant },
    { kind: 'order-participants', ...ofOrder },
    { kind: 'order-rules', ...ofArea },
    { kind: 'order-metadata', ...ofArea },
    { kind: 'order-notifications', ...ofArea },
    { kind: 'order-events', ...ofOrder },
    { kind: 'participant-metadata', ...ofParticipant, participant },
    { kind: 'participant-events', ...ofParticipant, participant },
  ];
};

const sorted = (found: readonly object[]): string[] =>
  found.map((row) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();

/** Columns of a kind's file. */
export const columnsOf = (kind: string): readonly ReportColumnDescription[] =>
  reportKinds.find(({ name }) => name === kind)?.columns ?? [];

/** The first rows that only one side has, so that a failure can be read. */
export const difference = (
  found: readonly object[],
  expected: readonly object[],
): { missing: string[]; foreign: string[] } => {
  const only = (rows: string[], others: string[]): string[] => {
    const counts = new Map<string, number>();
    for (const row of others) counts.set(row, (counts.get(row) ?? 0) + 1);
    return rows
      .filter((row) => {
        const left = counts.get(row) ?? 0;
        counts.set(row, left - 1);
        return left <= 0;
      })
      .slice(0, 2);
  };
  const [own, wanted] = [sorted(found), sorted(expected)];
  return { missing: only(wanted, own), foreign: only(own, wanted) };
};
