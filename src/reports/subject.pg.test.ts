import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cpfOf } from '../../sandbox/documents.ts';
import { runCommand } from '../../test/services/command-line.ts';
import { type Desk, openDesk, orderOf } from '../../test/services/desk.ts';
import { archivedOrdersDefinition, archivedOrdersTable } from '../archive/archive.ts';
import { jdbcCatalog } from '../lake/catalog/jdbc.ts';
import { writeDataFiles } from '../lake/data-writer.ts';
import { openDuckDb, quoteText } from '../lake/duckdb-session.ts';
import { append, createTable, openLake } from '../lake/tables.ts';
import { register } from './cli.ts';
import type { SubjectReport } from './subject.ts';
import { restoreRight, withdrawRight } from './withdrawals.ts';

const person = cpfOf(123_450_001);
const other = cpfOf(123_450_002);
const purpose = 'Pedido do titular, protocolo 2026/118';

let desk: Desk;
let admin: string;

/** Two archived orders: one with the person and somebody else, one without. */
const fillArchive = async (): Promise<void> => {
  const { store } = desk.parts.store;
  const lake = openLake({ store, catalog: jdbcCatalog({ db: desk.db }), clock: () => new Date() });
  const table = await createTable(lake, archivedOrdersTable, archivedOrdersDefinition);
  const session = await openDuckDb();
  try {
    const row = (id: string, requester: string, people: string[]) =>
      `SELECT ${quoteText(id)} AS ordem_id, 'CRD01' AS area_id, NULL::VARCHAR AS contrato_id,
        ${quoteText(requester)} AS cliente_requisitante_id, [${people.map(quoteText).join(', ')}] AS cliente_participante_id,
        TIMESTAMPTZ '2026-01-15 12:00:00+00' AS data_criacao, 'concluida' AS status_ordem, '[]' AS regras_ordem,
        '{}' AS metadados_ordem, '[]' AS notificacoes_ordem, '[]' AS logs_eventos_ordem,
        ${quoteText(JSON.stringify(people.map((cpf) => ({ email: `${cpf}@mail.example` }))))} AS metadados_participante,
        ${quoteText(JSON.stringify(people.map((cpf) => [{ evento: `assinou ${cpf}` }])))} AS logs_eventos_participante,
        1::BIGINT AS versao, 'h' AS hash_versao, TIMESTAMPTZ '2026-06-01 00:00:00+00' AS arquivado_em`;
    const rows = `(${row('ord-a', '12ABC34501DE35', [other, person])} UNION ALL ${row('ord-b', other, [other])})`;
    const add = await writeDataFiles({ lake, session }, table, rows);
    await append(lake, archivedOrdersTable, { add });
  } finally {
    await session.close();
  }
};

beforeAll(async () => {
  desk = await openDesk();
  admin = await desk.token('*', 'admin');
  await fillArchive();
});
afterAll(() => desk.close());
afterEach(() => {
  process.exitCode = undefined;
});

const asked = (body: object, as = admin) =>
  desk.call<SubjectReport>('POST', '/v1/reports/subject', { as, body });

describe('the report on one person (LGPD, art. 18)', () => {
  it('has the orders of the desk, the archive and issued reports; other people stay masked', async () => {
    const order = await desk.decide(
      orderOf('alone', { requester: { type: 'person', document: person }, requestedBy: person }),
    );
    const { reportId } = (
      await desk.call<{ reportId: string }>('POST', '/v1/reports?wait=10', {
        as: await desk.token('CRD01', 'reports:read reports:write'),
        body: {
          kind: 'participant-orders',
          parameters: { participantId: person },
          format: 'csv',
          purpose: 'Conferência',
        },
      })
    ).body;
    const { status, body, text } = await asked({ document: person, purpose });
    expect(status).toBe(200);
    expect(body.subject).toMatch(/^pes_[0-9a-f]{20}$/);
    expect(body.currentOrders).toMatchObject([
      { orderKey: order.orderKey, roles: expect.arrayContaining(['requisitante', 'solicitante']) },
    ]);
    expect(body.archive.orders).toMatchObject([{ ordem_id: 'ord-a' }]);
    expect(JSON.stringify(body.archive.participantMetadata)).toContain(`${person}@mail.example`);
    expect(JSON.stringify(body.archive.participantEvents)).toContain(`assinou ${person}`);
    expect(body.issuedReports).toMatchObject([
      { reportId, kind: 'participant-orders', askedBy: 'area-CRD01', purpose: 'Conferência', downloads: [] },
    ]);
    expect(text).not.toContain(other);
    expect(await readdir(join(desk.home, 'tmp')).then((names) => names.length)).toBeLessThanOrEqual(1);
  });

  it('is for administrators, with a valid CPF and a purpose, and says nothing of what was sent', async () => {
    const area = await desk.token('CRD01', 'reports:read reports:write reports:unmasked');
    expect((await asked({ document: person, purpose }, area)).status).toBe(403);
    for (const body of [
      { document: '12345678900', purpose },
      { document: person },
      { document: person, purpose: 'x' },
    ]) {
      const refused = await asked(body);
      expect([refused.status, refused.text.includes('123')]).toEqual([422, false]);
    }
  });

  it('is over all areas, so it is for nobody who may see some, nor for whom the bank took a right from', async () => {
    const ofArea = await desk.token('CRD01', 'admin');
    expect((await asked({ document: person, purpose }, ofArea)).status).toBe(403);
    const operator = { subject: 'local:plantão', requestId: 'req_operator' };
    for (const right of [null, { type: 'scope', value: 'admin' }] as const) {
      const { id } = await withdrawRight(desk.parts.reports, operator, {
        clientId: 'staff-bank',
        right,
        reason: 'Desligamento',
      });
      expect((await asked({ document: person, purpose })).status).toBe(403);
      await restoreRight(desk.parts.reports, operator, id);
    }
  });

  it('is in the audit trail under the opaque id, also from the terminal', async () => {
    const run = await runCommand(register, ['report', 'subject', '-', '--purpose', purpose], {
      pool: desk.db,
      env: { LASTRO_HOME: desk.home },
      stdin: `${person}\n`,
    });
    const found = JSON.parse(run.stdout) as SubjectReport;
    expect(found.currentOrders).toHaveLength(1);
    const { rows } = await desk.db.query<{ quem: string; detalhe: string }>(
      `SELECT quem, detalhe FROM trilha_auditoria WHERE acao = 'report.subject_access' AND recurso = $1
       ORDER BY sequencia`,
      [found.subject],
    );
    expect(rows.map(({ quem }) => quem)).toEqual(['staff-bank', expect.stringMatching(/^local:/)]);
    expect(JSON.stringify(rows)).toContain(purpose);
    const { rows: anywhere } = await desk.db.query('SELECT FROM trilha_auditoria t WHERE t::text LIKE $1', [
      `%${person}%`,
    ]);
    expect(anywhere).toEqual([]);
    expect(run.stderr).not.toContain(person);
  });

  it('fails as a whole where a part can not be read', async () => {
    const { store } = desk.parts.store;
    const files: string[] = [];
    for await (const { key } of store.list('')) if (key.endsWith('.parquet')) files.push(key);
    expect(files.length).toBeGreaterThan(0);
    for (const key of files) await store.remove(key);
    const answer = await asked({ document: person, purpose });
    expect(answer).toMatchObject({ status: 500, body: { type: '/problems/internal' } });
    expect(answer.text).not.toContain(person);
  });
});
