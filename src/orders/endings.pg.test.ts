import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, eventually, isDecided, isWaiting, openDesk, orderOf } from '../../test/services/desk.ts';
import { keepHouse } from './housekeeping.ts';

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

const housekeeping = () => {
  const { db, jobs, clock, log, keys, store } = desk.parts;
  return keepHouse({ db, jobs, clock, log, seal: { keys, store: store.store } });
};

const cancel = (orderKey: string) => desk.call('POST', `/v1/orders/${orderKey}/cancel`);

const messagesOf = async (orderKey: string): Promise<Record<string, unknown>[]> => {
  const { rows } = await desk.db.query<{ corpo: string }>(
    'SELECT corpo FROM mensagens WHERE envelope_id = $1',
    [orderKey],
  );
  return rows.map(({ corpo }) => JSON.parse(corpo) as Record<string, unknown>);
};

const waitingOrder = async () => {
  const { orderKey } = await desk.place(orderOf('unread_rule'));
  return desk.until(orderKey, isWaiting);
};

describe('a cancelled order', () => {
  it('fails with "cancelada", which is no answer about quorum', async () => {
    const { orderKey } = await waitingOrder();
    const answer = await cancel(orderKey);
    expect(answer).toMatchObject({
      status: 200,
      body: { status: 'failed', failureReason: 'cancelada', verdict: null, waiting: null },
    });
    expect(answer.body.timeline.map(({ type, by }) => [type, by])).toEqual([
      ['order_created', 'area-CRD01'],
      ['waiting', 'lastro'],
      ['cancelled', 'area-CRD01'],
    ]);
    const { rows } = await desk.db.query('SELECT coro_completo FROM envelopes WHERE envelope_id = $1', [
      orderKey,
    ]);
    expect(rows).toEqual([{ coro_completo: null }]);
  });

  it('tells so in one message, however often it is cancelled', async () => {
    const { orderKey } = await waitingOrder();
    const answers = await Promise.all([cancel(orderKey), cancel(orderKey), cancel(orderKey)]);
    answers.push(await cancel(orderKey));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await messagesOf(orderKey)).toEqual([
      {
        type: 'envelope.cancelled',
        id: expect.stringMatching(/^msg_/),
        orderKey,
        areaId: 'CRD01',
        failureReason: 'cancelada',
        endedAt: answers[0]?.body.decidedAt,
      },
    ]);
    const { rows } = await desk.db.query(
      `SELECT acao FROM trilha_auditoria WHERE recurso = $1 AND acao = 'order.cancel'`,
      [orderKey],
    );
    expect(rows).toHaveLength(1);
  });

  it('is not decided by a job that comes late', async () => {
    const { orderKey } = await waitingOrder();
    await cancel(orderKey);
    await desk.db.query(
      `UPDATE envelopes SET prazo_decisao = now() - interval '1 second' WHERE envelope_id = $1`,
      [orderKey],
    );
    await housekeeping();
    await eventually('the late job to end', async () => {
      const [assembly] = await desk.parts.jobs.overview();
      return assembly?.active === 0 && assembly.waiting === 0 ? true : undefined;
    });
    expect(await desk.order(orderKey)).toMatchObject({ failureReason: 'cancelada' });
    expect(await messagesOf(orderKey)).toHaveLength(1);
  });

  it('was open: a decided one is a conflict and stays as it is', async () => {
    const { orderKey } = await desk.decide(orderOf('alone'));
    expect(await cancel(orderKey)).toMatchObject({ status: 409, body: { type: '/problems/conflict' } });
    expect(await desk.order(orderKey)).toMatchObject({ status: 'completed' });
  });
});

describe('an order that stays undetermined past the time limit of its area', () => {
  it('fails as undetermined, never as "no quorum"', async () => {
    const { orderKey } = await waitingOrder();
    await desk.db.query(
      `UPDATE envelopes SET prazo_decisao = now() - interval '1 second' WHERE envelope_id = $1`,
      [orderKey],
    );
    expect(await housekeeping()).toMatchObject({ overdue: 1 });
    const order = await desk.until(orderKey, isDecided);
    expect(order).toMatchObject({
      status: 'failed',
      failureReason: 'undetermined',
      verdict: 'undetermined',
      waiting: null,
    });
    const { rows } = await desk.db.query('SELECT coro_completo FROM envelopes WHERE envelope_id = $1', [
      orderKey,
    ]);
    expect(rows).toEqual([{ coro_completo: null }]);
    expect(await messagesOf(orderKey)).toEqual([
      {
        type: 'envelope.failed',
        id: expect.stringMatching(/^msg_/),
        orderKey,
        areaId: 'CRD01',
        failureReason: 'undetermined',
        endedAt: order.decidedAt,
      },
    ]);
  });

  it('fails by itself where it waits for a partner, without a run of housekeeping', async () => {
    const as = await desk.token('TST01', 'orders:read orders:write');
    const order = await desk.decide(orderOf('contradictory_answer', { areaId: 'TST01' }), { as });
    expect(order).toMatchObject({ failureReason: 'undetermined', verdict: 'undetermined' });
    const seconds = (Date.parse(order.decidedAt ?? '') - Date.parse(order.createdAt)) / 1_000;
    expect(seconds).toBeGreaterThanOrEqual(2);
  });

  it('is decided after all where what it waited for is there by then', async () => {
    const { orderKey } = await desk.place(orderOf('alone'));
    const decided = await desk.until(orderKey, isDecided);
    expect(decided).toMatchObject({ verdict: 'quorum' });
    expect(await housekeeping()).toMatchObject({ overdue: 0 });
  });
});

describe('a draft that was never assembled', () => {
  it('is abandoned after thirty days, with a message', async () => {
    const { orderKey } = await waitingOrder();
    await desk.db.query(
      `UPDATE envelopes SET status_envelope = 'rascunho', motivo_espera = NULL, tentativas = 99,
         prazo_decisao = now() - interval '28 days', data_criacao = now() - interval '31 days'
       WHERE envelope_id = $1`,
      [orderKey],
    );
    expect(await housekeeping()).toMatchObject({ abandoned: 1, overdue: 0 });
    expect(await desk.order(orderKey)).toMatchObject({
      status: 'failed',
      failureReason: 'abandoned',
      verdict: null,
    });
    expect(await messagesOf(orderKey)).toMatchObject([
      { type: 'envelope.failed', failureReason: 'abandoned' },
    ]);
  });

  it('gets another attempt past its time limit, if its job was lost', async () => {
    const { orderKey } = await desk.place(orderOf('alone'));
    await desk.until(orderKey, isDecided);
    await desk.db.query(
      `UPDATE envelopes SET status_envelope = 'rascunho', coro_completo = NULL, decidido_em = NULL,
         prazo_decisao = now() - interval '1 second' WHERE envelope_id = $1`,
      [orderKey],
    );
    await housekeeping();
    const again = await eventually('another decision', async () => {
      const order = await desk.order(orderKey);
      return isDecided(order) ? order : undefined;
    });
    expect(again).toMatchObject({ verdict: 'quorum' });
  });
});
