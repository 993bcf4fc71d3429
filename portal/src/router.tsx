import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from 'react';

/** The address under which the portal is served, without its last slash. */
export const base = '/portal';

/** Where the page is: a path inside the portal (`/ordens`) and the query behind it. */
export type Place = { readonly path: string; readonly query: URLSearchParams };

const listeners = new Set<() => void>();
const tell = (): void => {
  for (const listener of [...listeners]) listener();
};

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
  };
};

const inPortal = (pathname: string): string => pathname.slice(base.length) || '/';

export const usePlace = (): Place => {
  const href = useSyncExternalStore(subscribe, () => window.location.pathname + window.location.search);
  const { pathname, searchParams } = new URL(href, window.location.origin);
  return { path: inPortal(pathname), query: searchParams };
};

/** Goes to a page of the portal: `/ordens?status=failed`. */
export const navigate = (to: string, { replace = false }: { replace?: boolean } = {}): void => {
  window.history[replace ? 'replaceState' : 'pushState'](null, '', base + to);
  tell();
};

/** A link to a page of the portal; a click with a modifier key stays the browser's. */
export const Link = ({
  to,
  ...rest
}: { to: string } & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'>) => {
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return <a {...rest} href={base + to} onClick={follow} />;
};

/** The parameters of a path that matches a pattern such as `/ordens/:orderKey`; null where it does not. */
export const matchPath = (pattern: string, path: string): Record<string, string> | null => {
  const wanted = pattern.split('/');
  const found = path.replace(/(?<=.)\/$/, '').split('/');
  if (wanted.length !== found.length) return null;
  const parameters: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const text = found[index] ?? '';
    if (part.startsWith(':')) {
      const value = decoded(text);
      if (value === null || value === '') return null;
      parameters[part.slice(1)] = value;
    } else if (part !== text) return null;
  }
  return parameters;
};

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
};
