import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProduceInput, ProduceOptions } from '../../src/reports/contract.ts';
import { authorize, parseReportRequest, type ReportMaker, reportKinds } from '../../src/reports/reports.ts';

export type MadeReport = { readonly orderId: string | undefined; readonly at: number };

/**
 * Makes small files without a lake: ten rows that name what was asked for. `before` is called with each, and may
 * wait or fail.
 */
export const smallReports = (
  before: (input: ProduceInput, options: ProduceOptions) => Promise<void> | void = () => {},
): ReportMaker & { readonly made: MadeReport[] } => {
  const made: MadeReport[] = [];
  return {
    made,
    kinds: reportKinds,
    parse: parseReportRequest,
    authorize,
    produce: async (input, options) => {
      options.progress?.({ rows: 0, expectedRows: 10 });
      await before(input, options);
      options.signal.throwIfAborted();
      const path = join(options.folder, 'report.csv');
      const text = textOf(input);
      await writeFile(path, text);
      made.push({ orderId: input.request.parameters.orderId, at: performance.now() });
      return {
        path,
        rows: 10,
        expectedRows: 10,
        bytes: Buffer.byteLength(text),
        sha256: createHash('sha256').update(text).digest('hex'),
        contentType: 'text/csv; charset=utf-8',
        snapshotId: '1',
      };
    },
  };
};

/** What such a file holds: it follows from the request and the rights alone. */
export const textOf = ({ request, viewer }: Pick<ProduceInput, 'request' | 'viewer'>): string =>
  Array.from(
    { length: 10 },
    (_, row) => `${row},${request.parameters.orderId ?? request.parameters.areaId},${viewer.unmasked}\n`,
  ).join('');

/** A pause that ends with the signal. */
export const pause = (ms: number, { signal }: ProduceOptions): Promise<void> =>
  sleep(ms, undefined, { signal });

/** A request for the events of an order, which an area may ask for. */
export const eventsOf = (orderId: string, change: object = {}) => ({
  kind: 'order-events',
  parameters: { orderId },
  format: 'csv',
  purpose: 'Atender pedido do cliente',
  ...change,
});
