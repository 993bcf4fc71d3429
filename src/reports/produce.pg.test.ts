import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeArchivedOrders } from '../../sandbox/archived-orders.ts';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { readReport } from '../../test/services/report-files.ts';
import { expectedRows, type SourceRow } from '../../test/services/report-oracle.ts';
import { openFileCache } from '../lake/file-cache.ts';
import type { ProduceDeps, ReportParameters, ReportRequest, ReportViewer } from './contract.ts';
import { produceReport, reportKinds } from './reports.ts';

let workshop: LakeWorkshop;
let deps: ProduceDeps;
let rows: SourceRow[];
const asOf = new Date('2026-11-25T12:00:00Z');
const everyone: ReportViewer = { areas: 'all', clients: 'all', unmasked: false, scopes: ['reports:read'] };

beforeAll(async () => {
  workshop = await openLakeWorkshop();
  const files = await openFileCache({ store: workshop.lake.store, folder: '', maxBytes: 0 });
  const { lake, session } = workshop;
  deps = { lake, files, limits: { temporaryParent: join(workshop.folder, 'reports') } };
  await makeArchivedOrders({ lake, session, files }, { count: 300, months: 3, areas: 3, hostileEvery: 4 });
  rows = (await workshop.rows(
    'ordens.ordens_arquivadas',
    {},
    `SELECT * REPLACE (epoch_ms(data_criacao)::DOUBLE AS data_criacao, epoch_ms(arquivado_em)::DOUBLE AS arquivado_em) FROM t`,
  )) as unknown as SourceRow[];
}, 60_000);

afterAll(() => workshop.close());

const produce = async (
  request: Partial<ReportRequest> & Pick<ReportRequest, 'kind' | 'format'>,
  viewer: ReportViewer = everyone,
) => {
  const folder = await mkdtemp(join(workshop.folder, 'file-'));
  const produced = await produceReport(
    deps,
    { request: { parameters: {}, options: {}, ...request }, viewer, asOf },
    { folder, signal: new AbortController().signal },
  );
  return { ...produced, folder };
};

const busiest = (values: (string | null | undefined)[]): string => {
  const counts = new Map<string, number>();
  for (const value of values) if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '';
};

type Case = {
  kind: string;
  parameters: ReportParameters;
  filter: (row: SourceRow) => boolean;
  participant?: string;
};

const takesPart = (row: SourceRow, client: string): boolean =>
  row.cliente_participante_id?.includes(client) ?? false;

/** Requests about what is most hostile in the source. */
const cases = (): Case[] => {
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

const columnsOf = (kind: string) => reportKinds.find(({ name }) => name === kind)?.columns ?? [];

/** The first rows that only one side has, so that a failure can be read. */
const difference = (found: readonly object[], expected: readonly object[]) => {
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

describe('every kind in every format', () => {
  it.each(['csv', 'json', 'ndjson', 'parquet', 'xlsx'] as const)(
    '%s holds the rows of the source',
    async (format) => {
      for (const unmasked of [false, true]) {
        for (const { kind, parameters, ...choice } of cases()) {
          const produced = await produce({ kind, parameters, format }, { ...everyone, unmasked });
          const expected = expectedRows(kind, rows, { ...choice, unmasked });
          expect(expected.length, `${kind}: the case is empty`).toBeGreaterThan(0);
          const found = await readReport(produced.path, format, columnsOf(kind));
          expect(difference(found, expected), `${kind} unmasked=${unmasked}`).toEqual({
            missing: [],
            foreign: [],
          });
          expect(produced).toMatchObject({ rows: expected.length, expectedRows: expected.length });
          expect(await readdir(produced.folder)).toEqual([`${kind}.${format}`]);
          expect(produced.bytes).toBe((await readFile(produced.path)).length);
        }
      }
    },
  );
});
