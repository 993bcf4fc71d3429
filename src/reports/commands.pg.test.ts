import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../test/services/command-line.ts';
import { type Desk, openDesk } from '../../test/services/desk.ts';
import { eventsOf } from '../../test/services/reports.ts';
import { archivedOrdersDefinition, archivedOrdersTable } from '../archive/archive.ts';
import { jdbcCatalog } from '../lake/catalog/jdbc.ts';
import { createTable, openLake } from '../lake/tables.ts';
import { UserError } from '../platform/cli.ts';
import { register } from './cli.ts';
import type { ReportView } from './view.ts';

let desk: Desk;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-report-cli-'));
  desk = await openDesk({ worker: false });
  const lake = openLake({
    store: desk.parts.store.store,
    catalog: jdbcCatalog({ db: desk.db }),
    clock: () => new Date(),
  });
  await createTable(lake, archivedOrdersTable, archivedOrdersDefinition);
});
afterAll(async () => {
  await desk.close();
  await rm(folder, { recursive: true, force: true });
});
afterEach(() => {
  process.exitCode = undefined;
});

const report = (args: string[], options: { stdin?: string; signal?: AbortSignal } = {}) =>
  runCommand(register, ['report', ...args], { pool: desk.db, env: { LASTRO_HOME: desk.home }, ...options });

const refused = async (args: string[]): Promise<UserError> => {
  const error = await report(args).catch((thrown: unknown) => thrown);
  if (error instanceof UserError) return error;
  throw new Error(`expected a refusal, found ${String(error)}`);
};

const because = ['--purpose', 'Chamado 123 do plantão'];
const newReport = async (...args: string[]): Promise<ReportView> =>
  JSON.parse(
    (await report(['new', 'area-orders', '--param', 'areaId=CRD01', ...because, '--json', ...args])).stdout,
  );

describe('lastro report', () => {
  it('makes a report without a worker and puts its file where it was asked for', async () => {
    const out = join(folder, 'ordens.csv');
    const { stdout, stderr } = await report([
      'new',
      'area-orders',
      '--param',
      'areaId=CRD01',
      '--from',
      '2026-01-01',
      '--separator',
      ';',
      ...because,
      '--out',
      out,
    ]);
    expect(stdout).toMatch(/^rpt_\w{26} {2}completed {2}area-orders as csv\n/);
    expect(stderr).toContain('SHA-256 as the report says');
    expect(await readFile(out, 'utf8')).toMatch(/^ordem_id;/);
    const again = await refused(['download', stdout.slice(0, 30), ...because, '--out', out]);
    expect(again.message).toContain('--force');
    await writeFile(out, 'something else');
    await report(['download', stdout.slice(0, 30), ...because, '--out', out, '--force']);
    expect(await readFile(out, 'utf8')).toMatch(/^ordem_id;/);
    await writeFile(out, 'something else');
    const anew = ['new', 'area-orders', '--param', 'areaId=CRD01', '--from', '2026-01-01', ...because];
    expect((await refused([...anew, '--out', out])).message).toContain('--force');
    await report([...anew, '--separator', ';', '--out', out, '--force']);
    expect(await readFile(out, 'utf8')).toMatch(/^ordem_id;/);
    const piped = await report(['download', stdout.slice(0, 30), ...because, '--out', '-']);
    expect(piped.stdout).toBe(await readFile(out, 'utf8'));
    const { rows } = await desk.db.query<{ acao: string; quem: string; detalhe: string }>(
      'SELECT acao, quem, detalhe FROM trilha_auditoria WHERE recurso = $1 ORDER BY sequencia',
      [stdout.slice(0, 30)],
    );
    expect(rows.map(({ acao }) => acao)).toEqual([
      'report.request',
      'report.completed',
      'report.download',
      'report.download',
      'report.download',
    ]);
    expect(rows.at(-1)?.quem).toMatch(/^local:/);
    expect(JSON.parse(rows.at(-1)?.detalhe ?? '')).toMatchObject({ purpose: 'Chamado 123 do plantão' });
  });

  it('tells what there is, lists, shows and cancels', async () => {
    expect((await report(['kinds'])).stdout).toContain('area-orders');
    expect(JSON.parse((await report(['kinds', '--json'])).stdout)).toHaveLength(12);
    const queued = await newReport('--no-wait', '--format', 'ndjson');
    expect(queued.status).toBe('queued');
    expect((await report(['list', '--status', 'queued'])).stdout).toContain(queued.reportId);
    const shown = await report(['status', queued.reportId, '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ status: 'queued', purpose: 'Chamado 123 do plantão' });
    const cancelled = await report(['cancel', queued.reportId, ...because, '--json']);
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ status: 'cancelled' });
    const followed = await report(['status', queued.reportId, '--follow']);
    expect(followed.stdout).toContain('cancelled');
  });

  it('changes nothing with --dry-run, and says all that is wrong', async () => {
    const count = async () => (await desk.db.query('SELECT FROM relatorios')).rowCount;
    const before = await count();
    expect(
      (await report(['new', 'area-orders', '--param', 'areaId=CRD01', ...because, '--dry-run'])).stdout,
    ).toContain('valid');
    const wrong = await refused(['new', 'area-orders', '--separator', '!', '--purpose', 'x', '--dry-run']);
    expect(wrong.exitCode).toBe(2);
    for (const pointer of ['/parameters/areaId', '/options/separator', '/purpose'])
      expect(wrong.message).toContain(pointer);
    expect(await count()).toBe(before);
    for (const id of ['rpt_x', 'rpt_01ARZ3NDEKTSV4RRFFQ69G5FAV'])
      expect(await refused(['status', id])).toMatchObject({
        exitCode: 1,
        message: expect.stringContaining(id),
      });
    expect((await refused(['list', '--status', 'done'])).message).toContain('queued, running');
  });

  it('fails without leaving a file where the report fails', async () => {
    const out = join(folder, 'never.csv');
    await desk.db.query(
      `ALTER TABLE relatorios ADD CONSTRAINT sabotage CHECK (status_relatorio <> 'concluido') NOT VALID`,
    );
    try {
      const stop = new AbortController();
      const failing = report(['new', 'area-orders', '--param', 'areaId=CRD02', ...because, '--out', out], {
        signal: stop.signal,
      });
      setTimeout(() => stop.abort(), 1_500);
      await expect(failing).rejects.toThrow('a worker goes on with it');
      await expect(access(out)).rejects.toThrow();
    } finally {
      await desk.db.query('ALTER TABLE relatorios DROP CONSTRAINT sabotage');
    }
  });

  it('withdraws rights and gives them back', async () => {
    const withdrawn = await report([
      'rights',
      'withdraw',
      'area-CRD01',
      '--reason',
      'Chave vazada',
      '--json',
    ]);
    const { id } = JSON.parse(withdrawn.stdout) as { id: string };
    const as = await desk.token('CRD01', 'reports:write');
    expect((await desk.call('POST', '/v1/reports', { as, body: eventsOf('ord-1') })).status).toBe(403);
    expect((await report(['rights'])).stdout).toContain(`${id}  area-CRD01  every right`);
    await report(['rights', 'restore', id]);
    expect((await refused(['rights', 'restore', id])).exitCode).toBe(1);
    expect((await desk.call('POST', '/v1/reports', { as, body: eventsOf('ord-1') })).status).toBe(202);
  });
});
