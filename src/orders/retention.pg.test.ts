import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, openDesk, orderOf } from '../../test/services/desk.ts';
import { removeExpired } from './housekeeping.ts';

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

const retention = () => removeExpired(desk.parts);

const evidenceOf = async (orderKey: string): Promise<number> => {
  const { rows } = await desk.db.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM evidencias WHERE envelope_id = $1',
    [orderKey],
  );
  return rows[0]?.n ?? 0;
};

/** A decided order, as if that many days ago. */
const decidedBefore = async (days: number, termDays?: number): Promise<string> => {
  const { orderKey } = await desk.decide(orderOf('alone'));
  await desk.db.query(
    `UPDATE envelopes SET decidido_em = now() - make_interval(days => $2) WHERE envelope_id = $1`,
    [orderKey, days],
  );
  if (termDays !== undefined)
    await desk.db.query(
      `UPDATE envelopes SET parametros = jsonb_set(parametros, '{evidenceRetentionDays}', to_jsonb($2::int))
       WHERE envelope_id = $1`,
      [orderKey, termDays],
    );
  return orderKey;
};

describe('the evidence of a decided order', () => {
  it('stays for the legal term of the area, counted from the decision, and goes after it', async () => {
    const within = await decidedBefore(3_649);
    const past = await decidedBefore(3_651);
    const shorter = await decidedBefore(500, 400);
    const longer = await decidedBefore(3_651, 7_300);
    expect(await retention()).toMatchObject({ evidence: 6 });
    expect(await evidenceOf(within)).toBe(3);
    expect(await evidenceOf(longer)).toBe(3);
    expect([await evidenceOf(past), await evidenceOf(shorter)]).toEqual([0, 0]);
    expect(await desk.order(past)).toMatchObject({ verdict: 'quorum' });
  });

  it('of an order that is still open stays', async () => {
    const orderKey = await decidedBefore(4_000);
    await desk.db.query('UPDATE envelopes SET decidido_em = NULL WHERE envelope_id = $1', [orderKey]);
    await retention();
    expect(await evidenceOf(orderKey)).toBe(3);
  });
});

describe('messages', () => {
  it('stay ninety days for those who pull late; what was not delivered stays until someone looked', async () => {
    const keys = [await decidedBefore(1), await decidedBefore(1), await decidedBefore(1)];
    const [fresh, old, stuck] = keys;
    await desk.db.query(
      `UPDATE mensagens SET data_criacao = now() - interval '91 days' WHERE envelope_id = ANY ($1)`,
      [[old, stuck]],
    );
    await desk.db.query(
      `INSERT INTO entregas (mensagem_id, canal, destino, status_entrega)
       SELECT mensagem_id, 'webhook', 'https://example.com', CASE WHEN envelope_id = $2 THEN 'morta' ELSE 'entregue' END
       FROM mensagens WHERE envelope_id = ANY ($1)`,
      [keys, stuck],
    );
    expect(await retention()).toMatchObject({ messages: 1 });
    const { rows } = await desk.db.query<{ envelope_id: string }>(
      'SELECT envelope_id FROM mensagens WHERE envelope_id = ANY ($1) ORDER BY envelope_id',
      [keys],
    );
    expect(rows.map(({ envelope_id }) => envelope_id)).toEqual([fresh, stuck].toSorted());
  });

  it('are removed in as many batches as it takes', async () => {
    await desk.db.query(
      `INSERT INTO mensagens (mensagem_id, area_id, envelope_id, tipo, corpo, data_criacao)
       SELECT 'old_' || n, 'CRD01', 'ord_x', 't', '{}', now() - interval '1 year' FROM generate_series(1, 2500) n`,
    );
    expect(await retention()).toMatchObject({ messages: 2_500 });
    expect(await retention()).toMatchObject({ messages: 0 });
  });
});
