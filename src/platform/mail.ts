import { createTransport } from 'nodemailer';
import type { Pool } from 'pg';
import { maskEmail, maskText } from '../shared/mask.ts';
import type { JobContext, Jobs, Queue } from './jobs.ts';
import type { Log } from './log.ts';
import { type Tx, transaction } from './postgres.ts';

export type Mail = {
  /** Names the message for ever, and is its Message-ID: a mailbox that gets it twice can tell. */
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
};

export type SendMail = (mail: Mail) => Promise<void>;

export const mailQueue: Queue<{ mailId: string }> = {
  name: 'mail',
  retryLimit: 12,
  retryDelaySeconds: 5,
  retryDelayMaxSeconds: 3_600,
  expireInSeconds: 120,
};

/** Writes a message to be sent, in the transaction that it tells of: it goes out after the commit, or never. */
export const planMail = async (
  jobs: Pick<Jobs, 'enqueue'>,
  tx: Tx,
  { id, to, subject, text }: Mail,
  at: Date,
): Promise<void> => {
  const { rowCount } = await tx.query(
    `INSERT INTO emails (email_id, destinatario, assunto, corpo, criado_em) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING`,
    [id, to, subject, text, at],
  );
  if (rowCount === 1) await jobs.enqueue(tx, mailQueue, { mailId: id });
};

export type MailDeps = {
  readonly db: Pool;
  readonly log: Log;
  readonly clock: () => Date;
  readonly send: SendMail;
  readonly reached?: (point: string) => void | Promise<void>;
};

export const mailPoints = ['mail-sent', 'mail-noted'] as const;

type Row = { destinatario: string; assunto: string; corpo: string };

/**
 * Sends one message. What was noted as sent is not sent again, and twins wait for each other: the row stays locked
 * while the server is asked. SMTP has no way to ask whether a message arrived; a process that is killed between the
 * server's answer and the note therefore sends it once more, under the same Message-ID.
 */
export const deliverMail = async (
  { db, log, clock, send, reached }: MailDeps,
  { mailId }: { mailId: string },
  { attempt }: Pick<JobContext, 'attempt'>,
): Promise<void> => {
  let failure: unknown;
  await transaction(db, async (tx) => {
    const { rows } = await tx.query<Row>(
      `SELECT destinatario, assunto, corpo FROM emails
       WHERE email_id = $1 AND status_envio <> 'enviado' FOR UPDATE`,
      [mailId],
    );
    const [row] = rows;
    if (!row) return;
    try {
      await send({ id: mailId, to: row.destinatario, subject: row.assunto, text: row.corpo });
    } catch (error) {
      failure = error;
      const status = attempt >= mailQueue.retryLimit ? 'morto' : 'pendente';
      await tx.query(
        `UPDATE emails SET status_envio = $2, tentativas = tentativas + 1, ultimo_erro = $3 WHERE email_id = $1`,
        [mailId, status, maskText(error instanceof Error ? error.message : String(error)).slice(0, 500)],
      );
      return;
    }
    await reached?.('mail-sent');
    await tx.query(
      `UPDATE emails SET status_envio = 'enviado', tentativas = tentativas + 1, ultimo_erro = NULL, enviado_em = $2
       WHERE email_id = $1`,
      [mailId, clock()],
    );
    log.info({ mailId, to: maskEmail(row.destinatario) }, 'e-mail sent');
  });
  await reached?.('mail-noted');
  if (failure !== undefined)
    throw new Error(
      `e-mail ${mailId}: the mail server did not take it: ${maskText(failure instanceof Error ? failure.message : String(failure))}`,
    );
};

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\]|::1)$/.test(host);

/**
 * Sends through an SMTP server: `smtps://user:password@host`, or `smtp://host:587`, which must offer STARTTLS unless
 * it is on this machine.
 */
export const openMailer = ({
  url,
  from,
}: {
  url: string;
  from: string;
}): { send: SendMail; close: () => void } => {
  const { hostname, protocol } = new URL(url);
  const transport = createTransport({
    url,
    requireTLS: protocol === 'smtp:' && !isLoopback(hostname),
    ignoreTLS: isLoopback(hostname) && protocol === 'smtp:',
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 30_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = /@([^\s>]+)/.exec(from)?.[1] ?? 'lastro.invalid';
  return {
    send: async ({ id, to, subject, text }) => {
      await transport.sendMail({
        from,
        // One address as an object: a list hidden in the text would reach others.
        to: { name: '', address: to },
        subject,
        text,
        messageId: `<${id}@${domain}>`,
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
    },
    close: () => transport.close(),
  };
};
