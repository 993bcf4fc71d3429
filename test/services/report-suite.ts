import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProduceDeps, ReportFormat } from '../../src/reports/contract.ts';
import { produceReport } from '../../src/reports/reports.ts';
import { columnsOf, difference, reportCases } from './report-cases.ts';
import { readReport } from './report-files.ts';
import { expectedRows, type SourceRow } from './report-oracle.ts';

/** What the suite is run with: reports' parts with the engine in them, and the rows of the archive. */
export type ReportSuiteRoom = {
  readonly deps: ProduceDeps;
  readonly rows: readonly SourceRow[];
  readonly folder: string;
  readonly scratch?: string;
  readonly close?: () => Promise<void>;
};

/** Every kind on an engine, equal to the independent oracle on hostile values. `formats`: of the kind with most columns. */
export const reportEngineSuite = (
  name: string,
  open: () => Promise<ReportSuiteRoom>,
  formats: readonly ReportFormat[] = ['csv', 'json', 'parquet', 'xlsx'],
): void => {
  describe(`reports on ${name}`, () => {
    let room: ReportSuiteRoom;
    beforeAll(async () => {
      room = await open();
    });
    afterAll(() => room.close?.());

    const check = async (kind: string, format: ReportFormat, unmasked: boolean): Promise<void> => {
      const found = reportCases(room.rows).find((one) => one.kind === kind);
      if (!found) throw new Error(`no case of ${kind}`);
      const { parameters, ...choice } = found;
      const folder = await mkdtemp(join(room.folder, 'file-'));
      const produced = await produceReport(
        room.deps,
        {
          request: { kind, parameters, format, options: {} },
          viewer: { areas: 'all', clients: 'all', unmasked, scopes: [] },
          asOf: new Date('2026-11-25T12:00:00Z'),
        },
        {
          folder,
          signal: new AbortController().signal,
          ...(room.scratch === undefined ? {} : { scratch: room.scratch }),
        },
      );
      const expected = expectedRows(kind, room.rows, { ...choice, unmasked });
      expect(expected.length, `${kind}: the case is empty`).toBeGreaterThan(0);
      const rows = await readReport(produced.path, format, columnsOf(kind));
      expect(difference(rows, expected), `${kind} ${format} unmasked=${unmasked}`).toEqual({
        missing: [],
        foreign: [],
      });
      expect(produced).toMatchObject({ rows: expected.length, expectedRows: expected.length });
      expect(await readdir(folder)).toEqual([`${kind}.${format}`]);
    };

    it('have the rows of the source in every kind, masked and not', async () => {
      for (const { kind } of reportCases(room.rows))
        for (const unmasked of [false, true]) await check(kind, 'ndjson', unmasked);
    });

    it('have them in every format', async () => {
      for (const format of formats)
        for (const kind of ['area-orders', 'participant-events']) await check(kind, format, true);
    });
  });
};
