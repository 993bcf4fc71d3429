/**
 * Cents of an amount in decimal text with a point (`"200000.00"`, `"0.5"`, `"7"`), never by way of a double.
 * Answers undefined where the text is no such amount, has a third decimal, or exceeds 2^53 − 2 cents (one cent
 * is added to an inclusive limit, and the result must still be an exact integer).
 */
export const centsOf = (text: string): number | undefined => {
  const match = /^(\d{1,14})(?:\.(\d{1,2}))?$/.exec(text);
  if (!match) return undefined;
  const cents = Number(`${match[1]}${(match[2] ?? '').padEnd(2, '0')}`);
  return cents < Number.MAX_SAFE_INTEGER ? cents : undefined;
};
