import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Webhook } from 'standardwebhooks';
import { Agent, request } from 'undici';
import type { DeliveredMessage } from './delivery.ts';
import { GiveUp } from './jobs.ts';

export type SendWebhook = (url: string, message: DeliveredMessage) => Promise<void>;

/**
 * Whether an address is one of the public Internet. Everything else (loopback, private, link-local with the
 * cloud's metadata service, mapped IPv4 in IPv6) would let a caller make us talk to our own network.
 */
export const isPublicAddress = (address: string): boolean => {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  // All that is handed out of IPv6 is in 2000::/3 (IANA); outside are old forms that stand for IPv4 addresses.
  return !(parsed instanceof ipaddr.IPv6) || parsed.match(globalUnicast);
};

const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

class PrivateAddressError extends Error {
  readonly code = 'PRIVATE_ADDRESS';

  constructor(host: string) {
    super(`the host ${host} has an address that is not public`);
  }
}

/**
 * Looks a host up for the connection itself, so that the address checked is the address used: a name that
 * answers differently the second time gains nothing.
 */
export const publicLookup: LookupFunction = (host, options, callback) => {
  systemLookup(host, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 4);
    const [first] = addresses;
    if (!first || !addresses.every(({ address }) => isPublicAddress(address)))
      return callback(new PrivateAddressError(host), '', 4);
    return options.all
      ? (callback as unknown as (none: null, all: typeof addresses) => void)(null, addresses)
      : callback(null, first.address, first.family);
  });
};

/** What is wrong with a callback address before any connection; undefined where nothing is. */
export const callbackProblem = (address: string, allowPrivate: boolean): string | undefined => {
  if (!URL.canParse(address)) return 'expected an absolute URL';
  const url = new URL(address);
  if (url.username || url.password) return 'expected a URL without credentials';
  if (allowPrivate) return undefined;
  if (url.protocol !== 'https:') return 'expected an https URL';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (ipaddr.isValid(host) && !isPublicAddress(host)) return 'expected a public address';
  // Always loopback (RFC 6761, section 6.3); other private names show only when they are looked up.
  if (/(?:^|\.)localhost\.?$/.test(host)) return 'expected a public address';
  if (url.port === '0') return 'expected a port that can be reached';
  return undefined;
};

/**
 * Sends signed webhooks (Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`).
 * Redirects are not followed. Answers other than 2xx are failures; 410 means that nobody wants it any more.
 */
export const openWebhooks = ({
  secret,
  allowPrivate,
  timeoutMs = 10_000,
  clock,
}: {
  secret: string;
  /** Lets deliveries go to loopback and private addresses, over http too: development only. */
  allowPrivate: boolean;
  timeoutMs?: number;
  clock: () => Date;
}): { send: SendWebhook; close: () => Promise<void> } => {
  const signer = new Webhook(secret);
  const agent = new Agent({
    connections: 8,
    maxResponseSize: 65_536,
    connect: { timeout: timeoutMs, ...(allowPrivate ? {} : { lookup: publicLookup }) },
  });
  return {
    send: async (url, { id, body }) => {
      const problem = callbackProblem(url, allowPrivate);
      if (problem) throw new GiveUp(`webhook ${id}: ${problem}`);
      const now = clock();
      const { statusCode, body: answer } = await request(url, {
        method: 'POST',
        dispatcher: agent,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'lastro-webhooks',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
          'webhook-signature': signer.sign(id, now, body),
        },
        body,
      });
      await answer.dump({ limit: 65_536 });
      if (statusCode === 410) throw new GiveUp(`webhook ${id}: the receiver answered 410 (gone)`);
      if (statusCode < 200 || statusCode > 299)
        throw new Error(`webhook ${id}: expected an answer of 2xx, found ${statusCode}`);
    },
    close: () => agent.close(),
  };
};
