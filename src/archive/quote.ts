// Orders have the same few hundred names again and again, and most texts need no escape: a look is quicker than a
// serializer.

const names = new Map<string, Member>();
const mostNames = 10_000;

const plain = /^[ !#-[\]-~]*$/;

/** Whether a text is written as JSON by quotes alone. */
export const isPlainText = (text: string): boolean => plain.test(text);

/** A text as JSON. */
export const quoteText = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text));

/** How a member of a JSON object begins, as the first one and behind another: `"name":` and `,"name":`. */
export type Member = { readonly first: string; readonly next: string };

export const memberOf = (name: string): Member => {
  const found = names.get(name);
  if (found !== undefined) return found;
  const first = `${JSON.stringify(name)}:`;
  const member = { first, next: `,${first}` };
  if (names.size < mostNames) names.set(name, member);
  return member;
};
