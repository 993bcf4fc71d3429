import type { GetOptions, PutBody } from './store.ts';

/** The chunks of a body, whatever its form. */
export const bodyChunks = (body: PutBody): AsyncIterable<Uint8Array> | Iterable<Uint8Array> =>
  typeof body === 'string' ? [Buffer.from(body)] : body instanceof Uint8Array ? [body] : body;

/** The whole body; copied, so that later changes by the caller do not reach the object. */
export const bodyBytes = async (body: PutBody): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bodyChunks(body)) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/**
 * `[start, end)` within an object of `size` bytes; an end beyond it is cut, as HTTP does.
 * @throws RangeError for a range that begins at or after the end, or is empty or negative.
 */
export const sliceRange = (
  key: string,
  size: number,
  range: GetOptions['range'],
): { start: number; end: number } => {
  if (!range) return { start: 0, end: size };
  checkRange(key, range);
  if (range.start >= size) throw rangeError(key, range, `the object has ${size} bytes`);
  return { start: range.start, end: Math.min(range.end ?? size, size) };
};

/** The part of the range's check that needs no size. @throws RangeError */
export const checkRange = (key: string, range: NonNullable<GetOptions['range']>): void => {
  const { start, end } = range;
  const whole = Number.isSafeInteger(start) && (end === undefined || Number.isSafeInteger(end));
  if (!whole || start < 0 || (end !== undefined && end <= start)) {
    throw rangeError(key, range, 'expected 0 <= start < end');
  }
};

export const rangeError = (key: string, range: NonNullable<GetOptions['range']>, why: string): RangeError =>
  new RangeError(`bytes [${range.start}, ${range.end ?? 'end'}) of ${JSON.stringify(key)}: ${why}`);
