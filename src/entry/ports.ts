import { createServer } from 'node:net';
import { UserError } from '../platform/cli.ts';
import type { App } from '../platform/http.ts';
import type { UpRecord } from './home-lock.ts';

/** Why a program could not listen there, or undefined where it could. Port 0 is always free. */
export const listenFault = (host: string, port: number): Promise<NodeJS.ErrnoException | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });

/** Where a server is to listen, what for, and what to set where it can't. */
export type Place = { host: string; port: number; what: string; advice: string };

const words: Record<string, string> = {
  EADDRINUSE: 'is in use by another program',
  EACCES: 'needs more rights than this user has',
  EADDRNOTAVAIL: 'is no address of this machine',
  ENOTFOUND: 'has a host that is not known',
};

/** As in a URL: an address of IPv6 stands in brackets. */
const shown = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

export const portFault = (
  { code = '', message }: NodeJS.ErrnoException,
  { host, port, what, advice }: Place,
): UserError => {
  const hostIsWrong = code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND';
  const todo = hostIsWrong
    ? 'Set LASTRO_HOST to an address of this machine.'
    : `Set ${advice}, or end what listens there.`;
  return new UserError(
    `${shown(host, port)}, the address for ${what}, ${words[code] ?? message}. ${todo}`,
    1,
  );
};

/** Whether the `lastro up` of a record answers on this port now; a record may be of a run that was killed. */
export const servesPort = async (record: UpRecord | undefined, port: number): Promise<boolean> => {
  if (record === undefined || Number(new URL(record.api).port) !== port) return false;
  const answer = await fetch(`${record.api}/livez`, { signal: AbortSignal.timeout(3_000) }).catch(
    () => undefined,
  );
  return answer?.ok === true;
};

/** Has a server listen, and answers its address. @throws UserError where it can't, with what to do */
export const listenAt = (app: App, place: Place): Promise<string> =>
  app.listen({ host: place.host, port: place.port }).catch((error: NodeJS.ErrnoException) => {
    throw error.code !== undefined && error.code in words ? portFault(error, place) : error;
  });
