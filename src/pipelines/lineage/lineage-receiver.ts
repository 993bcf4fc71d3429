import { appendFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { RunEvent } from './openlineage.ts';

export type ReceiverOptions = {
  /** `OPENLINEAGE_URL`: a server (`http://marquez:5000`), or a file to append to (`file:///var/lastro/lineage.ndjson`). */
  readonly url: string;
  /** `OPENLINEAGE_API_KEY`: sent as a bearer token. */
  readonly apiKey?: string | undefined;
  /** Longest wait for the server. Default 5,000 ms. */
  readonly timeoutMs?: number;
};

/** Gives the events that did not arrive, with why; nothing where all did. Never throws: lineage is no reason for a run to fail. */
export type SendEvents = (events: readonly RunEvent[]) => Promise<string[]>;

const post = async ({ url, apiKey, timeoutMs = 5_000 }: ReceiverOptions, event: RunEvent): Promise<void> => {
  const address = new URL('api/v1/lineage', url.endsWith('/') ? url : `${url}/`);
  const answer = await request(address, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify(event),
    signal: AbortSignal.timeout(timeoutMs),
  });
  // The body is read so that the connection is free again; what is in it does not matter.
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`expected 2xx, found ${answer.statusCode}`);
};

/**
 * A receiver of OpenLineage events. After the first event that a server does not take, the rest of that call is not
 * tried: a dead server costs one time limit, not one for each event.
 */
export const lineageReceiver = (options: ReceiverOptions): SendEvents => {
  const isFile = options.url.startsWith('file:');
  return async (events) => {
    const lost: string[] = [];
    if (isFile) {
      const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('');
      await appendFile(fileURLToPath(options.url), lines).catch((error: unknown) => {
        lost.push(...events.map((event) => lostText(event, error)));
      });
      return lost;
    }
    for (const [n, event] of events.entries()) {
      try {
        await post(options, event);
      } catch (error) {
        lost.push(...events.slice(n).map((each) => lostText(each, error)));
        break;
      }
    }
    return lost;
  };
};

const lostText = ({ eventType, job }: RunEvent, error: unknown): string =>
  `the lineage event ${eventType} of ${job.name} was not taken: ${error instanceof Error ? error.message : String(error)}`;
