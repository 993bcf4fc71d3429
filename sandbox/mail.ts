import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export type ReceivedMail = {
  receivedAt: string;
  messageId: string;
  to: string[];
  subject: string;
  text: string;
};

export type MailSink = {
  /** `smtp://127.0.0.1:port`, as SMTP_URL. */
  readonly url: string;
  list(): ReceivedMail[];
  clear(): void;
  /** Answers the next messages with a failure that passes. */
  refuse(times: number): void;
  close(): Promise<void>;
};

const mostKept = 10_000;

/** The bytes of a text in which `=C3=A7` stands for some of them (RFC 2045, quoted-printable), as UTF-8. */
const fromQuotedPrintable = (encoded: string): string =>
  Buffer.from(
    encoded.replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8');

/** A header's text, where it is encoded at all (RFC 2047). */
const fromEncodedWords = (value: string): string =>
  value
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([qb])\?([^?]*)\?=/gi, (_, kind: string, encoded: string) =>
      kind.toLowerCase() === 'b'
        ? Buffer.from(encoded, 'base64').toString('utf8')
        : fromQuotedPrintable(encoded.replaceAll('_', ' ')),
    );

const bodyOf = (encoding: string, body: string): string => {
  if (/base64/i.test(encoding)) return Buffer.from(body, 'base64').toString('utf8');
  return /quoted-printable/i.test(encoding) ? fromQuotedPrintable(body.replaceAll(/=\r?\n/g, '')) : body;
};

const read = (raw: string, to: string[]): ReceivedMail => {
  const [head = '', ...rest] = raw.split('\r\n\r\n');
  const headers = head.replaceAll(/\r\n[ \t]+/g, ' ');
  const header = (name: string): string =>
    new RegExp(`^${name}: (.*)$`, 'im').exec(headers)?.[1]?.trim() ?? '';
  return {
    receivedAt: new Date().toISOString(),
    messageId: header('Message-ID'),
    to,
    subject: fromEncodedWords(header('Subject')),
    text: bodyOf(header('Content-Transfer-Encoding'), rest.join('\r\n\r\n')).trim(),
  };
};

/** A mail server that keeps what it gets and sends nothing on. */
export const startMailSink = async (host: string): Promise<MailSink> => {
  const received: ReceivedMail[] = [];
  let refusals = 0;
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    logger: false,
    onData: (stream, session, callback) => {
      text(stream).then((raw) => {
        if (refusals > 0) {
          refusals -= 1;
          return callback(Object.assign(new Error('try again later'), { responseCode: 451 }));
        }
        received.push(
          read(
            raw,
            session.envelope.rcptTo.map(({ address }) => address),
          ),
        );
        if (received.length > mostKept) received.shift();
        return callback();
      }, callback);
    },
  });
  // A client that goes away in the middle of a message is its own business.
  server.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(0, host, resolve);
  });
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://${host === '::1' ? '[::1]' : host}:${port}`,
    list: () => [...received],
    clear: () => void received.splice(0),
    refuse: (times) => {
      refusals = times;
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
};
