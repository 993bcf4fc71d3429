import { type ReactNode, useEffect, useState } from 'react';
import { useLoad } from '../parts/load.ts';
import { Notice } from '../parts/notice.tsx';
import { Link, usePlace } from '../router.tsx';
import { useDesk } from '../session/session.tsx';
import { SignInFailed } from '../session/sign-in.ts';

const sections = [
  { to: '/ordens', name: 'Ordens', scope: 'orders:read' },
  { to: '/ordens/nova', name: 'Nova ordem', scope: 'orders:write' },
  { to: '/revisao', name: 'Revisão', scope: 'orders:review' },
  { to: '/relatorios', name: 'Relatórios', scope: 'reports:read' },
] as const;

/** The section that a path belongs to: the longest of those that it begins with. */
const sectionOf = (path: string): string | undefined =>
  sections
    .map(({ to }) => to)
    .filter((to) => path === to || path.startsWith(`${to}/`))
    .sort((one, other) => other.length - one.length)[0];

/** What is around every page: the way between pages, who is signed in, and that the session has expired. */
export const Frame = ({ children }: { children: ReactNode }) => {
  const { session, may, signOut } = useDesk();
  const { path } = usePlace();
  const current = sectionOf(path);
  const unread = useUnread();
  return (
    <>
      <a className="skip" href="#conteudo">
        Ir para o conteúdo
      </a>
      <header className="top">
        <Link to="/" className="brand">
          Lastro
        </Link>
        <nav aria-label="Principal">
          <ul>
            {sections
              .filter(({ scope }) => may(scope))
              .map(({ to, name }) => (
                <li key={to}>
                  <Link to={to} aria-current={current === to ? 'page' : undefined}>
                    {name}
                    {to === '/relatorios' && unread > 0 && (
                      <span className="unread">
                        {unread}
                        <span className="hidden"> novos</span>
                      </span>
                    )}
                  </Link>
                </li>
              ))}
          </ul>
        </nav>
        <div className="who">
          <span className="who-name">{session.name}</span>
          <button type="button" className="plain" onClick={() => void signOut()}>
            Sair
          </button>
        </div>
      </header>
      <p role="status" className="hidden">
        {unread > 0 && unreadWords(unread)}
      </p>
      <Expired />
      <main id="conteudo" tabIndex={-1}>
        {children}
      </main>
    </>
  );
};

const Expired = () => {
  const { expired, signInAgain } = useDesk();
  const [failure, setFailure] = useState<string | null>(null);
  if (!expired) return null;
  const again = (): void => {
    signInAgain().catch((error: unknown) =>
      setFailure(error instanceof SignInFailed ? error.message : 'Não foi possível entrar. Tente de novo.'),
    );
  };
  return (
    <div className="expired">
      <Notice kind="bad" title="Sua sessão expirou">
        <p>{failure ?? 'Entre de novo para continuar. O que você preencheu nesta página volta com você.'}</p>
        <button type="button" className="primary" onClick={again}>
          Entrar de novo
        </button>
      </Notice>
    </div>
  );
};

/** How many reports ended and were not looked at since. */
const useUnread = (): number => {
  const { call, expired, may } = useDesk();
  const { path } = usePlace();
  const { data, reload } = useLoad(
    expired || !may('reports:read') ? null : 'unread',
    (signal) => call('GET /v1/reports', { query: { unread: 'true', limit: 1 }, signal }),
    { everyMs: 15_000 },
  );
  // Reports are looked at and downloaded on pages: what is new may be another number on the next one.
  // biome-ignore lint/correctness/useExhaustiveDependencies: each page that is come to asks again
  useEffect(() => reload(), [path, reload]);
  return data?.unread ?? 0;
};

const unreadWords = (unread: number): string =>
  unread === 1 ? '1 relatório terminou' : `${unread} relatórios terminaram`;
