// Orders have the same few hundred names again and again, and most texts need no escape: a look is quicker than a
// serializer.

const names = new Map<string, string>();
const mostNames = 10_000;

const plain = /^[ !#-[\]-~]*$/;

/** A text as JSON. */
export const quoteText = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text));

/** A name as JSON. */
export const quoteName = (name: string): string => {
  const found = names.get(name);
  if (found !== undefined) return found;
  const text = JSON.stringify(name);
  if (names.size < mostNames) names.set(name, text);
  return text;
};
