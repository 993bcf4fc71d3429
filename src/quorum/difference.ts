/** A place where two JSON values differ. A side that has nothing there lacks its member. */
export type Difference = { pointer: string; certificate?: unknown; decided?: unknown };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/**
 * Every place where two JSON values differ, each at its deepest: objects by member, arrays by index, in the
 * order of the certificate and then of what only the other has.
 */
export const differencesOf = (certificate: unknown, decided: unknown, pointer = ''): Difference[] => {
  if (Array.isArray(certificate) && Array.isArray(decided)) {
    const longer = Math.max(certificate.length, decided.length);
    return Array.from({ length: longer }, (_, index) =>
      memberDifferences(certificate, decided, String(index), `${pointer}/${index}`),
    ).flat();
  }
  if (isRecord(certificate) && isRecord(decided)) {
    const keys = new Set([...Object.keys(certificate), ...Object.keys(decided)]);
    return [...keys].flatMap((key) =>
      memberDifferences(certificate, decided, key, `${pointer}/${escaped(key)}`),
    );
  }
  return certificate === decided ? [] : [{ pointer, certificate, decided }];
};

const memberDifferences = (
  certificate: object,
  decided: object,
  key: string,
  pointer: string,
): Difference[] => {
  const before: unknown = Reflect.get(certificate, key);
  const after: unknown = Reflect.get(decided, key);
  if (!Object.hasOwn(certificate, key)) return [{ pointer, decided: after }];
  if (!Object.hasOwn(decided, key)) return [{ pointer, certificate: before }];
  return differencesOf(before, after, pointer);
};
