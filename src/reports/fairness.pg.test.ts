import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cpfOf } from '../../sandbox/documents.ts';
import { mintToken } from '../../sandbox/token.ts';
import { type Desk, eventually, openDesk } from '../../test/services/desk.ts';
import { pause, smallReports } from '../../test/services/reports.ts';
import type { ReportPage } from './owner.ts';
import type { ReportView } from './view.ts';

const concurrency = 4;
const runningPerClient = 2;

let desk: Desk;
/** Clients in the order in which their reports were begun, and how many were in hand at once. */
const begun: string[] = [];
const inHand = new Map<string, number>();
let mostAtOnce = 0;
let mostOfOneClient = 0;

const maker = smallReports(async ({ request }, options) => {
  const client = request.parameters.clientId ?? '';
  begun.push(client);
  inHand.set(client, (inHand.get(client) ?? 0) + 1);
  mostAtOnce = Math.max(
    mostAtOnce,
    [...inHand.values()].reduce((all, n) => all + n, 0),
  );
  mostOfOneClient = Math.max(mostOfOneClient, inHand.get(client) ?? 0);
  await pause(5, options);
  inHand.set(client, (inHand.get(client) ?? 0) - 1);
});

const client = async (n: number) => {
  const document = cpfOf(555_000_000 + n);
  const { token } = await mintToken({
    issuer: desk.sandbox.issuer,
    client: document,
    scope: 'reports:read reports:write',
  });
  return { document, token };
};

type Client = Awaited<ReturnType<typeof client>>;

const ask = ({ document, token }: Client, n: number) =>
  desk.call<ReportView>('POST', '/v1/reports', {
    as: token,
    body: {
      kind: 'client-orders',
      parameters: { clientId: document },
      from: new Date(Date.UTC(2026, 0, 1 + n)).toISOString(),
      format: 'csv',
      purpose: 'Consulta do próprio cliente',
    },
  });

const completed = async ({ token }: Client): Promise<string[]> => {
  const { body } = await desk.call<ReportPage>('GET', '/v1/reports?status=completed&limit=200', {
    as: token,
  });
  return body.items.map(({ reportId }) => reportId);
};

beforeAll(async () => {
  desk = await openDesk({
    maker,
    worker: false,
    env: {
      REPORT_CONCURRENCY: String(concurrency),
      REPORT_RUNNING_PER_CLIENT: String(runningPerClient),
      REPORT_OPEN_PER_CLIENT: '10',
    },
  });
});
afterAll(() => desk.close());

describe('200 requests at once, of 20 clients', () => {
  it('are all made, in turns, within their bounds; one more of each client is refused', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => client(n)));
    const answers = await Promise.all(
      clients.flatMap((one) => Array.from({ length: 10 }, (_, n) => ask(one, n))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(answers.map(({ body }) => body.reportId)).size).toBe(200);
    for (const one of clients) expect((await ask(one, 11)).status).toBe(429);

    await desk.startWorker();
    await eventually('200 finished reports', async () => {
      const { rows } = await desk.db.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM relatorios WHERE status_relatorio = 'concluido'`,
      );
      return rows[0]?.n === 200 ? true : undefined;
    });
    const asked = new Set(answers.map(({ body }) => body.reportId));
    const got = (await Promise.all(clients.map(completed))).flat();
    expect(new Set(got)).toEqual(asked);

    expect(begun).toHaveLength(200);
    expect(mostAtOnce).toBeLessThanOrEqual(concurrency);
    expect(mostOfOneClient).toBeLessThanOrEqual(runningPerClient);
    // Nobody is two turns ahead of anyone who waits.
    const turns = new Map(clients.map(({ document }) => [document, 0]));
    for (const document of begun) {
      turns.set(document, (turns.get(document) ?? 0) + 1);
      expect(Math.max(...turns.values()) - Math.min(...turns.values())).toBeLessThanOrEqual(2);
    }
  }, 60_000);

  it('do not hold up a client that comes later with one', async () => {
    const [greedy, modest] = [await client(30), await client(31)];
    for (let n = 0; n < 10; n++) expect((await ask(greedy, n)).status).toBe(202);
    const before = begun.length;
    const { body } = await ask(modest, 0);
    await eventually('its end', async () =>
      (await completed(modest)).includes(body.reportId) ? true : undefined,
    );
    expect(begun.indexOf(modest.document) - before).toBeLessThanOrEqual(concurrency);
    await eventually('the end of the others', async () =>
      (await completed(greedy)).length === 10 ? true : undefined,
    );
  });
});
