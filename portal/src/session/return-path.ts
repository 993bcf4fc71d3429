/**
 * Where to go after signing in: a page of this portal, whatever was asked for. An address of another origin, one
 * that a browser would read as such (`//host`, `/\host`), or the sign-in itself leads to the start.
 */
export const safeReturnPath = (wanted: string | null | undefined, origin: string): string => {
  if (!wanted || !URL.canParse(wanted, origin)) return '/';
  const url = new URL(wanted, origin);
  if (url.origin !== origin || !url.pathname.startsWith('/portal/')) return '/';
  const path = url.pathname.slice('/portal'.length);
  return path === '/entrar' ? '/' : path + url.search;
};
