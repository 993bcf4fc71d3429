import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, openDesk, orderOf } from '../../test/services/desk.ts';
import { explainedPool } from '../../test/services/explained.ts';
import { testDatabase } from '../../test/services/postgres.ts';
import { transactionsOver } from '../../test/services/visibility.ts';
import { silentLog } from '../platform/log.ts';
import { readMessages } from '../platform/outbox.ts';
import { newId } from '../shared/ids.ts';
import { resumeWaiting } from './assembly.ts';
import { keepHouse } from './housekeeping.ts';
import { findOrders } from './orders.ts';
import { type OrderSummary, readOrder } from './view.ts';

type Page = { items: OrderSummary[]; next: string | null };

describe('the list of orders', () => {
  let desk: Desk;
  const placed: OrderSummary[] = [];

  const list = async (query: string): Promise<Page> => {
    const { status, body } = await desk.call<Page>('GET', `/v1/orders?${query}`);
    expect(status).toBe(200);
    return body;
  };

  const keysOf = ({ items }: Page): string[] => items.map(({ orderKey }) => orderKey);

  beforeAll(async () => {
    desk = await openDesk({ worker: false });
    for (let count = 0; count < 7; count++) placed.push(await desk.place(orderOf('alone')));
  });
  afterAll(() => desk.close());

  it('is newest first, and one order in it is as it is alone', async () => {
    const page = await list('');
    expect(keysOf(page)).toEqual(placed.map(({ orderKey }) => orderKey).reverse());
    expect(page.next).toBeNull();
    expect(page.items[0]).toMatchObject({ areaId: 'CRD01', status: 'draft', verdict: null });
  });

  it('is read page by page: each order once, also while new ones come in', async () => {
    const before = keysOf(await list(''));
    const seen: string[] = [];
    let cursor = '';
    for (;;) {
      const page: Page = await list(`limit=2${cursor}`);
      seen.push(...keysOf(page));
      placed.push(await desk.place(orderOf('alone')));
      if (!page.next) break;
      cursor = `&cursor=${page.next}`;
    }
    expect(seen).toEqual(before);
  });

  it('ends where a page is just full', async () => {
    const all = keysOf(await list('limit=200'));
    const page = await list(`limit=${all.length}`);
    expect(page.next).toBeNull();
  });

  it('is filtered by status, area and time of creation: from is in, to is out', async () => {
    const [first, second, third] = placed;
    await desk.call('POST', `/v1/orders/${second?.orderKey}/cancel`);
    expect(keysOf(await list('status=failed&areaId=CRD01'))).toEqual([second?.orderKey]);
    expect(keysOf(await list('status=completed'))).toEqual([]);
    const between = await list(`from=${second?.createdAt}&to=${third?.createdAt}`);
    expect(keysOf(between)).toEqual([second?.orderKey]);
    const offset = encodeURIComponent(first?.createdAt.replace('Z', '+00:00') ?? '');
    expect(keysOf(await list(`to=${offset}`))).toEqual([]);
    expect(keysOf(await list(`from=${third?.createdAt}&to=${first?.createdAt}`))).toEqual([]);
  });

  it('keeps its filters across pages', async () => {
    const from = placed[2]?.createdAt;
    const first = await list(`from=${from}&limit=1`);
    const rest = await list(`from=${from}&limit=200&cursor=${first.next}`);
    expect([...keysOf(first), ...keysOf(rest)].at(-1)).toBe(placed[2]?.orderKey);
  });
});

describe('with 20,000 orders stored, an index answers', () => {
  const plans = { close: async () => {} };
  let explained: ReturnType<typeof explainedPool>;
  let keys: string[];

  beforeAll(async () => {
    const database = await testDatabase();
    const start = Date.UTC(2026, 0, 1);
    keys = Array.from({ length: 20_000 }, (_, index) => newId('ord', new Date(start + index * 60_000)));
    await database.pool.query(
      `INSERT INTO envelopes (envelope_id, area_id, status_envelope, plataforma_id, meio_assinatura_id, poder,
         requisitante_id, tipo_requisitante, numero_participantes, coro_completo, motivo_espera, parceiro_esperado,
         pedido, parametros, prazo_decisao, decidido_em, data_criacao, criado_por, data_atualizacao, atualizado_por)
       SELECT k, CASE WHEN n > 100 THEN 'A' || (n % 20) ELSE 'Z' || (n % 2) END, CASE WHEN n % 200 = 0 THEN 'em_processamento' ELSE 'concluido' END,
         'bankline', 'digital', 'p', 'x', 'pessoa_juridica', 1, CASE WHEN n % 200 = 0 THEN NULL ELSE true END,
         CASE WHEN n % 200 = 0 THEN 'waiting_partner' END,
         CASE WHEN n % 200 = 0 THEN CASE WHEN n % 400 = 0 THEN 'powers' ELSE 'registry' END END,
         '{"requester":{},"guarantors":[],"metadata":{}}', '{"evidenceRetentionDays":3650}',
         CASE WHEN n % 2000 = 0 THEN now() - interval '1 hour' ELSE now() + interval '1 day' END,
         CASE WHEN n % 200 = 0 THEN NULL ELSE now() END, now(), 't', now(), 't'
       FROM unnest($1::text[]) WITH ORDINALITY v(k, n)`,
      [keys],
    );
    await database.pool.query('VACUUM ANALYZE envelopes');
    explained = explainedPool(database.url);
    plans.close = async () => {
      await explained.close();
      await database.drop();
    };
  });
  afterAll(() => plans.close());

  const principal = (areas: string[]) => ({
    principal: {
      clientId: 'c',
      subject: 's',
      scopes: new Set<string>(),
      areas: new Set(areas),
      clients: new Set<string>(),
    },
  });

  const planOf = async (work: () => Promise<unknown>): Promise<string> => {
    explained.plans();
    await work();
    const found = explained.plans().filter((plan) => plan.includes('envelopes'));
    expect(found.length).toBeGreaterThan(0);
    return found.join('\n');
  };

  const find = (areas: string[], filter: Omit<Parameters<typeof findOrders>[2], 'limit'>) =>
    planOf(() => findOrders({ db: explained.pool }, principal(areas), { ...filter, limit: 50 }));

  it.each<[string, string[], Omit<Parameters<typeof findOrders>[2], 'limit'>]>([
    ['one area', ['A3'], {}],
    ['one area and a status', ['A3'], { status: 'processing' }],
    ['a status that is rare', ['A0'], { areaId: 'A0', status: 'processing' }],
    ['a client of several areas', ['A1', 'A2'], { status: 'completed' }],
    ['a span of time', ['A3'], { from: new Date(Date.UTC(2026, 0, 3)), to: new Date(Date.UTC(2026, 0, 4)) }],
    ['every area', ['*'], {}],
  ])('the list of %s', async (_, areas, filter) => {
    const plan = await find(areas, filter);
    expect(plan).not.toContain('Seq Scan');
    expect(plan).toMatch(/Index (Only )?Scan|Bitmap Index Scan/);
  });

  it('a later page of a list', async () => {
    const plan = await find(['A3'], { after: keys[10_000] });
    expect(plan).not.toContain('Seq Scan');
  });

  it.each([[['Z1']], [['Z0', 'Z1']]])(
    'the list of areas that have been quiet (%s), without going through the orders of others',
    async (areas) => {
      for (const filter of [{}, { status: 'completed' } as const]) {
        const plan = await find(areas, filter);
        expect(plan).toContain('envelopes_por_area');
        expect(plan).not.toMatch(/Filter: .*area_id/);
      }
    },
  );

  it('the messages of an area, without going through those of others', async () => {
    await explained.pool.query(
      `INSERT INTO mensagens (mensagem_id, area_id, envelope_id, tipo, corpo, data_criacao)
       SELECT 'msg_' || n, 'A' || (n % 20), 'ord_' || n, 't', '{}', now() FROM generate_series(1, 20000) n`,
    );
    // While a transaction of any database is older than the rows, none of them can be shown, and any index will do.
    await transactionsOver(explained.pool);
    await explained.pool.query('ANALYZE mensagens');
    explained.plans();
    await readMessages(explained.pool, { areas: ['A3'], limit: 100 });
    expect(explained.plans().join('\n')).toContain('mensagens_por_area');
    await readMessages(explained.pool, { areas: null, limit: 100 });
    expect(explained.plans().join('\n')).toContain('mensagens_em_ordem');
  });

  it('one order', async () => {
    const plan = await planOf(() => readOrder(explained.pool, keys[7] ?? '', ['A7'], 'en'));
    expect(plan).not.toMatch(/Seq Scan on envelopes/);
  });

  const jobs = { enqueue: async () => {}, enqueueAll: async () => {} };

  it('which orders wait for a partner', async () => {
    const deps = { db: explained.pool, jobs, clock: () => new Date(), log: silentLog() };
    let resumed = 0;
    const plan = await planOf(async () => {
      resumed = await resumeWaiting(deps, 'powers');
    });
    expect(resumed).toBe(50);
    expect(plan).not.toContain('Seq Scan');
    expect(plan).toContain('envelopes_em_espera');
  });

  it('which orders are past their time limit', async () => {
    const seal = { keys: {} as never, store: { list: async function* () {} } as never };
    const plan = await planOf(async () => {
      const report = await keepHouse({
        db: explained.pool,
        jobs,
        clock: () => new Date(),
        log: silentLog(),
        seal,
      });
      expect(report).toEqual({ overdue: 10, abandoned: 0, sealed: 0 });
    });
    expect(plan).not.toContain('Seq Scan');
    expect(plan).toContain('envelopes_em_aberto');
  });
});
