import { createServer } from 'node:net';
import { UserError } from '../platform/cli.ts';
import type { App } from '../platform/http.ts';

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

export const portFault = (
  { code = '', message }: NodeJS.ErrnoException,
  { host, port, what, advice }: Place,
): UserError =>
  new UserError(
    `${host}:${port}, the address for ${what}, ${words[code] ?? message}. Set ${advice}, or end what listens there.`,
    1,
  );

/** Has a server listen, and answers its address. @throws UserError where it can't, with what to do */
export const listenAt = (app: App, place: Place): Promise<string> =>
  app.listen({ host: place.host, port: place.port }).catch((error: NodeJS.ErrnoException) => {
    throw error.code !== undefined && error.code in words ? portFault(error, place) : error;
  });
