/** Types whose text is not taken over as it is. All others stay PostgreSQL's text, so that no digit is lost. */
const oid = { bool: 16, timestamp: 1114, timestamptz: 1184 } as const;

/** Settings under which PostgreSQL writes every value in one way, whatever the server's own are. */
export const valueSettings =
  '-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=iso_8601 -c extra_float_digits=1 -c bytea_output=hex';

/**
 * A value as it goes into a record: booleans as JSON has them, timestamps as ISO 8601 (`Z` where they have a zone),
 * everything else as PostgreSQL writes it (`12.50`, `9007199254740993`, `NaN`, `\x00ff`, `{1,2}`).
 */
export const recordValue = (typeOid: number, text: string | null): string | boolean | null => {
  if (text === null) return null;
  if (typeOid === oid.bool) return text === 't' || text === 'true';
  // `infinity` and years before Christ have no ISO form: they stay as they are.
  const isPlain = /^\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?(\+00)?$/.test(text);
  if (isPlain && typeOid === oid.timestamp) return text.replace(' ', 'T');
  if (isPlain && typeOid === oid.timestamptz) return text.replace(' ', 'T').replace('+00', 'Z');
  return text;
};
