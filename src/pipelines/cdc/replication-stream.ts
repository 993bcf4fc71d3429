import pg from 'pg';
import { formatLsn } from './lsn.ts';
import { pgName } from './pg-table.ts';
import { valueSettings } from './pg-value.ts';
import { decodeMessage, type Message } from './pgoutput.ts';

/** What comes over the stream. `caughtUpTo`: everything before this position has been sent. */
export type StreamEvent =
  | { readonly kind: 'message'; readonly message: Message; readonly bytes: number }
  | { readonly kind: 'position'; readonly caughtUpTo: bigint };

export type ReplicationStream = {
  /** The next event, as long as there may be one. @throws the connection's failure */
  readonly next: () => Promise<StreamEvent>;
  readonly close: () => Promise<void>;
};

export type ReplicationRequest = {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  /** Transactions that were committed before it are not sent. It is also what the server is told we have. */
  readonly from: bigint;
  readonly signal: AbortSignal;
};

/** What of node-postgres is used below its documented interface: the replication protocol has no other way in. */
type Wire = {
  readonly stream: { pause(): void; resume(): void; destroy(): void };
  sendCopyFromChunk(chunk: Buffer): void;
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void;
  once(event: 'replicationStart', listener: () => void): void;
};

/** Messages that may wait here before the socket is left unread. */
const mostWaiting = 5_000;
/** How often the server is asked where it is while it sends nothing. */
const askMs = 200;

/** The standby status message: positions written, flushed and applied, the time, and whether to answer at once. */
const statusUpdate = (lsn: bigint, answer: boolean): Buffer => {
  const message = Buffer.alloc(34);
  message.write('r', 0, 'latin1');
  for (const at of [1, 9, 17]) message.writeBigUInt64BE(lsn, at);
  message.writeBigInt64BE(BigInt(Date.now() - 946_684_800_000) * 1000n, 25);
  message.writeUInt8(answer ? 1 : 0, 33);
  return message;
};

/**
 * Opens a logical replication connection on a slot. It never tells the server that more was taken than `from`: what
 * the slot may forget is said elsewhere, after the commit. What is not read waits in the server.
 */
export const openReplication = async (request: ReplicationRequest): Promise<ReplicationStream> => {
  const { url, from, signal } = request;
  // `replication` is an option that the driver hands through and its types leave out.
  const options = { connectionString: url, options: valueSettings, replication: 'database' };
  const client = new pg.Client(options as pg.ClientConfig);
  const inbox = openInbox();
  const abort = (): void => inbox.fail(asError(signal.reason));
  client.on('error', inbox.fail);
  await client.connect();
  const { connection } = client as unknown as { connection: Wire };
  connection.on('copyData', ({ chunk }) => {
    try {
      // A server that hears nothing for its wal_sender_timeout ends the connection; it asks before.
      if (chunk[0] === 0x6b && chunk[17] === 1) connection.sendCopyFromChunk(statusUpdate(from, false));
      const event = toEvent(chunk);
      if (event && inbox.put(event) >= mostWaiting) connection.stream.pause();
    } catch (error) {
      inbox.fail(asError(error));
    }
  });
  const asking = setInterval(() => {
    if (inbox.isIdle()) connection.sendCopyFromChunk(statusUpdate(from, true));
  }, askMs);
  const close = async (): Promise<void> => {
    clearInterval(asking);
    signal.removeEventListener('abort', abort);
    inbox.fail(new Error('the replication stream was closed'));
    const ended = client.end();
    // What the server is still sending is not wanted any more: ending in good order would read it all.
    connection.stream.destroy();
    await ended.catch(() => {});
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    await start(client, connection, request, inbox.fail);
  } catch (error) {
    await close();
    throw error;
  }
  return { close, next: () => inbox.take(() => connection.stream.resume()) };
};

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** The statement of a stream ends only with it, so its beginning is told by the protocol. */
const start = (
  client: pg.Client,
  connection: Wire,
  { slot, publication, from }: ReplicationRequest,
  fail: (error: Error) => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    connection.once('replicationStart', resolve);
    const names = pgName(publication).replaceAll("'", "''");
    client
      .query(
        `START_REPLICATION SLOT ${pgName(slot)} LOGICAL ${formatLsn(from)} (proto_version '1', publication_names '${names}')`,
      )
      .then(() => fail(new Error('the source ended the replication stream')))
      .catch((error: unknown) => {
        fail(asError(error));
        reject(asError(error));
      });
  });

const openInbox = () => {
  const waiting: StreamEvent[] = [];
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  return {
    fail: (error: Error): void => {
      failure ??= error;
      wake?.();
    },
    /** Gives how many wait. */
    put: (event: StreamEvent): number => {
      waiting.push(event);
      wake?.();
      return waiting.length;
    },
    isIdle: (): boolean => waiting.length === 0 && failure === undefined,
    take: async (resume: () => void): Promise<StreamEvent> => {
      for (;;) {
        const event = waiting.shift();
        if (event) {
          if (waiting.length === mostWaiting >> 1) resume();
          return event;
        }
        if (failure) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    },
  };
};

/** `w`: a message of the plugin behind 24 bytes of positions. `k`: a keepalive with the position that was reached. */
const toEvent = (chunk: Buffer): StreamEvent | undefined => {
  if (chunk[0] === 0x77) {
    return { kind: 'message', message: decodeMessage(chunk.subarray(25)), bytes: chunk.length };
  }
  return chunk[0] === 0x6b ? { kind: 'position', caughtUpTo: chunk.readBigUInt64BE(1) } : undefined;
};
