import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSandbox } from '../../sandbox/sandbox.ts';
import { type Desk, eventually, openDesk } from '../../test/services/desk.ts';
import { eventsOf, smallReports } from '../../test/services/reports.ts';
import { deliverMail, openMailer } from '../platform/mail.ts';
import { ReportTooLargeError } from './errors.ts';
import type { ReportView } from './view.ts';

let desk: Desk;
let post: Awaited<ReturnType<typeof startSandbox>>;
let as: string;
let home: string;
const maker = smallReports(({ request }) => {
  if (request.parameters.orderId === 'too-large') throw new ReportTooLargeError('It has 2,000,000 rows.');
});

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-post-'));
  post = await startSandbox({ port: 0, home, companies: 1 });
  desk = await openDesk({
    maker,
    env: {
      SMTP_URL: post.smtp,
      MAIL_FROM: 'Lastro <lastro@bank.example>',
      PUBLIC_URL: 'https://desk.bank.example/',
      WEBHOOK_ALLOW_PRIVATE: 'true',
    },
  });
  as = await desk.token('CRD01', 'reports:read reports:write');
});
afterAll(async () => {
  await desk.close();
  await post.close();
  await rm(home, { recursive: true, force: true });
});

const ask = async (orderId: string, hook: string) => {
  const notify = {
    email: 'maria.souza@cliente.example',
    callbackUrl: `${post.url}/sandbox/webhooks/${hook}`,
  };
  const { body } = await desk.call<ReportView>('POST', '/v1/reports?wait=10', {
    as,
    body: eventsOf(orderId, { notify }),
  });
  return body;
};

const hooked = (hook: string) =>
  eventually('a webhook', async () => {
    const answer = await fetch(`${post.url}/sandbox/webhooks/${hook}`);
    const calls = (await answer.json()) as { body: string }[];
    return calls.length > 0 ? calls.map(({ body }) => JSON.parse(body) as object) : undefined;
  });

const mailed = (id: string) =>
  eventually('an e-mail', async () => {
    const found = post.mail.list().filter(({ text }) => text.includes(id));
    return found.length > 0 ? found : undefined;
  });

describe('the end of a report', () => {
  it('is told by e-mail with a link and by webhook, never with the data', async () => {
    const done = await ask('ord-1', 'done');
    const [mail, ...more] = await mailed(done.reportId);
    expect(more).toEqual([]);
    expect(mail).toMatchObject({
      messageId: `<${done.reportId}.completed@bank.example>`,
      to: ['maria.souza@cliente.example'],
      subject: 'Seu relatório está pronto',
      text: expect.stringContaining(`https://desk.bank.example/portal/relatorios/${done.reportId}`),
    });
    expect(mail?.text).not.toMatch(/ord-1|signature/);
    const calls = await hooked('done');
    expect(calls).toMatchObject([
      { type: 'report.completed', reportId: done.reportId, rows: 10, sha256: done.sha256, failure: null },
    ]);
    expect(JSON.stringify(calls)).not.toContain('ord-1');
    const pulled = await desk.call<{ messages: { type: string }[] }>('GET', '/v1/messages');
    expect(pulled.body.messages).toEqual([]);
  });

  it('is told where it failed, too', async () => {
    const failed = await ask('too-large', 'failed');
    expect(failed).toMatchObject({ status: 'failed', failure: { reason: 'too_large' } });
    expect(await mailed(failed.reportId)).toMatchObject([{ subject: 'Seu relatório não pôde ser gerado' }]);
    expect(await hooked('failed')).toMatchObject([
      { type: 'report.failed', reportId: failed.reportId, failure: { reason: 'too_large' } },
    ]);
  });

  it('is told once, though the mail server refuses at first and the job comes again', async () => {
    post.mail.refuse(1);
    const done = await ask('ord-2', 'again');
    await eventually('a failed try', async () => {
      const { rows } = await desk.db.query<{ tentativas: number; ultimo_erro: string | null }>(
        'SELECT tentativas, ultimo_erro FROM emails WHERE email_id = $1',
        [`${done.reportId}.completed`],
      );
      return rows[0] && rows[0].tentativas >= 1 ? true : undefined;
    });
    expect(await mailed(done.reportId)).toHaveLength(1);
    const { db, clock, log } = desk.parts;
    const mailer = openMailer({ url: post.smtp, from: 'Lastro <lastro@bank.example>' });
    const again = () =>
      deliverMail(
        { db, clock, log, send: mailer.send },
        { mailId: `${done.reportId}.completed` },
        { attempt: 0 },
      );
    await Promise.all([again(), again(), again()]);
    mailer.close();
    await sleep(50);
    expect(await mailed(done.reportId)).toHaveLength(1);
  });

  it('is told once by twins of one job, and again under the same Message-ID by one that was killed', async () => {
    const { db, clock, log } = desk.parts;
    await db.query(
      `INSERT INTO emails (email_id, destinatario, assunto, corpo, criado_em)
       VALUES ('rpt_twins.completed', 'a@b.example', 'x', 'rpt_twins', now())`,
    );
    const mailer = openMailer({ url: post.smtp, from: 'Lastro <lastro@bank.example>' });
    const deliver = (reached?: (point: string) => void) =>
      deliverMail(
        { db, clock, log, send: mailer.send, ...(reached ? { reached } : {}) },
        { mailId: 'rpt_twins.completed' },
        { attempt: 0 },
      );
    const killed = deliver((point) => {
      if (point === 'mail-sent') throw new Error('killed');
    });
    await expect(killed).rejects.toThrow('killed');
    await Promise.all([deliver(), deliver(), deliver()]);
    mailer.close();
    const sent = await mailed('rpt_twins');
    expect(new Set(sent.map(({ messageId }) => messageId)).size).toBe(1);
    expect(sent).toHaveLength(2);
  });
});
