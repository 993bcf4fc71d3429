import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrdersStandIn, startOrdersTable } from '../../sandbox/orders-table.ts';
import { order } from '../../test/archive/room.ts';
import { type Desk, openDesk } from '../../test/services/desk.ts';
import { scheduledRun } from './jobs.ts';

let desk: Desk;
let standIn: OrdersStandIn;
let serviceNow: Server;
const calls: string[] = [];
let open = false;

beforeAll(async () => {
  standIn = await startOrdersTable();
  serviceNow = createServer((request, response) => {
    calls.push(request.method ?? '');
    if (request.method === 'POST') open = true;
    if (request.method === 'PATCH') open = false;
    const incident = { sys_id: 's1', number: 'INC1' };
    response.end(JSON.stringify({ result: request.method === 'GET' ? (open ? [incident] : []) : incident }));
  });
  await new Promise<void>((resolve) => serviceNow.listen(0, '127.0.0.1', resolve));
  desk = await openDesk({
    worker: false,
    env: {
      AWS_ENDPOINT_URL_DYNAMODB: standIn.url,
      SERVICENOW_URL: `http://127.0.0.1:${(serviceNow.address() as AddressInfo).port}`,
      SERVICENOW_TOKEN: 't',
      ARCHIVE_SCHEDULE: 'daily',
    },
  });
  await standIn.load([
    order('ord_antiga', { area_id: { S: 'CRD01' } }),
    order('ord_de_outra', { area_id: { S: 'CRD02' } }),
  ]);
});
afterAll(async () => {
  await desk.close();
  await standIn.close();
  await new Promise((resolve) => serviceNow.close(resolve));
});

const run = (env: Partial<Desk['parts']['config']> = {}) =>
  scheduledRun({ ...desk.parts, config: { ...desk.parts.config, ...env } }, new AbortController().signal);

describe('a scheduled run', () => {
  it('that fails opens an incident and is thrown, so that the job is tried again', async () => {
    await expect(run({ LASTRO_ORDERS_TABLE: 'absent' })).rejects.toThrow(/there is no table absent/);
    expect(calls).toEqual(['GET', 'POST']);
  });

  it('that passes archives, and resolves the incident', async () => {
    expect((await run())?.counts).toMatchObject({ archived: 2, removed: 2 });
    expect(calls.slice(2)).toEqual(['GET', 'PATCH']);
  });

  it('leaves the work to the run that holds the table', async () => {
    await desk.db.query(
      `UPDATE leases SET holder = 'other', token = token + 1, expires_at = clock_timestamp() + interval '1 minute' WHERE name = 'archive:ordens'`,
    );
    expect(await run()).toBeUndefined();
    await desk.db.query(`UPDATE leases SET holder = NULL`);
  });
});

describe('GET of an order that was archived', () => {
  it('answers 410 with the way to a report', async () => {
    const answer = await desk.call<{ type: string; detail: string }>('GET', '/v1/orders/ord_antiga');
    expect(answer.status).toBe(410);
    expect(answer.body.type).toBe('/problems/order-archived');
    expect(answer.body.detail).toMatch(/archived on .*report only.*POST \/v1\/reports/);
    expect(answer.headers.get('content-type')).toMatch(/problem\+json/);
  });

  it('answers 404 to whoever may not see its area, and for an order that never was', async () => {
    expect((await desk.call('GET', '/v1/orders/ord_de_outra')).status).toBe(404);
    expect((await desk.call('GET', '/v1/orders/ord_nunca')).status).toBe(404);
  });
});
