import { randomBytes } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Milliseconds since 1970 as ten Crockford base-32 digits, which sort as text in order of time. */
const timePart = (millis: number): string => {
  let rest = millis;
  let text = '';
  for (let digit = 0; digit < 10; digit++) {
    text = alphabet.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
};

/** A prefixed ULID (26 characters: 48 bits of time, 80 of chance). Ids of later milliseconds sort after. */
export const newId = (prefix: string, now: Date): string => {
  const chance = randomBytes(16);
  let text = '';
  for (const byte of chance) text += alphabet.charAt(byte & 31);
  return `${prefix}_${timePart(now.getTime())}${text}`;
};

/** The least id that `newId` can give at or after an instant: turns a date filter into a range of keys. */
export const leastIdAt = (prefix: string, instant: Date): string =>
  `${prefix}_${timePart(Math.max(0, instant.getTime()))}${'0'.repeat(16)}`;
