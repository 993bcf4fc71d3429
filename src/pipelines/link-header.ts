/**
 * The address whose relation is `next` in a `Link` header (RFC 8288), or null. Each character is looked at once: the
 * header is a stranger's, and may be long. What is no link ends the search.
 */
export const nextLink = (header: string): string | null => {
  for (let open = header.indexOf('<'); open >= 0; ) {
    const close = header.indexOf('>', open);
    if (close < 0) return null;
    const { parameters, end } = readParameters(header, close + 1);
    const target = header.slice(open + 1, close);
    if (target !== '' && relations(parameters).includes('next')) return target;
    open = header.indexOf('<', end);
  }
  return null;
};

/** The parameters of the link that begins before `from`, and where the link ends. */
const readParameters = (header: string, from: number): { parameters: string[]; end: number } => {
  const parameters: string[] = [];
  let begin = from;
  let quoted = false;
  let at = from;
  for (; at < header.length; at++) {
    const character = header[at];
    if (quoted && character === '\\') at++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && (character === ';' || character === ',')) {
      parameters.push(header.slice(begin, at));
      begin = at + 1;
      if (character === ',') break;
    }
  }
  if (at >= header.length) parameters.push(header.slice(begin));
  return { parameters, end: at };
};

/** Of several `rel` parameters the first counts; it may name several relations. */
const relations = (parameters: readonly string[]): string[] => {
  for (const parameter of parameters) {
    const equals = parameter.indexOf('=');
    if (parameter.slice(0, Math.max(0, equals)).trim().toLowerCase() !== 'rel') continue;
    return parameter
      .slice(equals + 1)
      .replaceAll('"', '')
      .trim()
      .toLowerCase()
      .split(/\s+/);
  }
  return [];
};
