import { createHmac } from 'node:crypto';

export type PersonIds = (document: string) => string;

/**
 * Opaque ids for people: `pes_` and 80 bits of an HMAC of the CPF. The same person has the same id in every
 * order, so that rules can be replayed over stored inputs; without the key the id says nothing, and a plain
 * hash would not do: there are only a billion CPFs to try.
 */
export const personIds = (key: Uint8Array): PersonIds => {
  return (document) => `pes_${createHmac('sha256', key).update(document).digest('hex').slice(0, 20)}`;
};
