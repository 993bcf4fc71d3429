import { Link } from '../router.tsx';

type PagerProps = { readonly path: string; readonly query: URLSearchParams; readonly next: string | null };

/** The ways to the first and to the next page of the list at `path`; `next` is the API's cursor, null on the last page. */
export const Pager = ({ path, query, next }: PagerProps) => {
  const first = new URLSearchParams(query);
  first.delete('cursor');
  const following = new URLSearchParams(query);
  following.set('cursor', next ?? '');
  if (!next && !query.has('cursor')) return null;
  return (
    <nav className="pager" aria-label="Páginas">
      {query.has('cursor') && <Link to={`${path}${first.size > 0 ? `?${first}` : ''}`}>Início da lista</Link>}
      {next && <Link to={`${path}?${following}`}>Próxima página</Link>}
    </nav>
  );
};
