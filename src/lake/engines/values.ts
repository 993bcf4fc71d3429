/** An integer as a JSON number while a double holds it exactly, as text beyond. */
export const exactInteger = (value: bigint): number | string => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
};

/** JSON has no NaN and no infinities. */
export const exactDouble = (value: number): number | string =>
  Number.isFinite(value) ? value : String(value);

/** Microseconds since 1970 as ISO 8601 with a fraction of 0, 3 or 6 digits. */
export const isoTimestamp = (micros: bigint, zone: string): string => {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = (micros - rest) / 1_000_000n;
  // 19 characters from the front of a four-digit year; others (`+012026-…`, `-000044-…`) have seven in its place.
  const iso = new Date(Number(seconds) * 1_000).toISOString();
  return `${iso.slice(0, iso.length - 5)}${fraction(Number(rest))}${zone}`;
};

const fraction = (micros: number): string => {
  if (micros === 0) return '';
  const digits = String(micros).padStart(6, '0');
  return `.${digits.endsWith('000') ? digits.slice(0, 3) : digits}`;
};
