const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** A place in a JSON document (RFC 6901). The whole document is ''. */
export const jsonPointer = (path: readonly PropertyKey[]): string =>
  path.map((step) => `/${escaped(String(step))}`).join('');

/** A name of more characters is cut: told with each of many violations, it would make a huge answer of one body. */
const longestName = 128;

/** The same for a message: long names are cut, and half a surrogate pair is U+FFFD, for a message must be good text. */
export const toldPointer = (path: readonly PropertyKey[]): string =>
  jsonPointer(
    path.map((step) => {
      const name = String(step);
      return (name.length > longestName ? `${name.slice(0, longestName)}…` : name).toWellFormed();
    }),
  );
