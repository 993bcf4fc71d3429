/**
 * What must outlive the way to the issuer and back. It is kept in this tab alone (`sessionStorage`), only for that
 * way, and is gone once it is read. Tokens are never kept: a page that is loaded anew signs in anew.
 */
const names = {
  signIn: 'lastro.sign-in',
  draft: 'lastro.draft',
  wasSignedIn: 'lastro.was-signed-in',
} as const;

type Kept = keyof typeof names;

/** Keeps a value; false where the browser does not (private windows of some, or no space). */
export const keep = (name: Kept, value: unknown): boolean => {
  try {
    window.sessionStorage.setItem(names[name], JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
};

/** The value, which is then no longer kept. */
export const take = (name: Kept): unknown => {
  try {
    const text = window.sessionStorage.getItem(names[name]);
    window.sessionStorage.removeItem(names[name]);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
};
