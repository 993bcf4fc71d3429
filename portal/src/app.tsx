import { useEffect, useState } from 'react';
import { Pages } from './pages/pages.tsx';
import { Welcome } from './pages/welcome.tsx';
import { base, navigate } from './router.tsx';
import { keep, take } from './session/kept.ts';
import { SessionProvider } from './session/session.tsx';
import { finishSignIn, type Session, type Settings, SignInFailed, startSignIn } from './session/sign-in.ts';

type State =
  | { at: 'loading' }
  | { at: 'welcome'; settings: Settings | null; failure: string | null }
  | { at: 'pages'; settings: Settings; session: Session };

const loadSettings = async (): Promise<Settings> => {
  const answer = await fetch(`${base}/settings.json`);
  if (!answer.ok) throw new Error(`expected the portal's settings, found ${answer.status}`);
  return (await answer.json()) as Settings;
};

const begin = async (): Promise<State> => {
  const settings = await loadSettings().catch(() => null);
  if (!settings)
    return { at: 'welcome', settings, failure: 'O Lastro não respondeu. Recarregue a página em instantes.' };
  const address = new URL(window.location.href);
  const isAnswer = address.pathname === `${base}/entrar`;
  // A page that is loaded anew has no token: who was signed in before goes through the issuer, which knows them.
  const wasSignedIn = take('wasSignedIn') === true;
  try {
    if (isAnswer && (address.searchParams.has('code') || address.searchParams.has('error'))) {
      const { session, returnTo } = await finishSignIn(settings, address);
      keep('wasSignedIn', true);
      navigate(returnTo, { replace: true });
      return { at: 'pages', settings, session };
    }
    if (wasSignedIn && !isAnswer) {
      await startSignIn(settings, address.pathname + address.search);
      return { at: 'loading' };
    }
  } catch (error) {
    if (isAnswer) navigate('/', { replace: true });
    const failure = error instanceof SignInFailed ? error.message : 'Não foi possível entrar. Tente de novo.';
    return { at: 'welcome', settings, failure };
  }
  if (isAnswer) navigate('/', { replace: true });
  return { at: 'welcome', settings, failure: null };
};

// Once a page, not once a rendering: the answer of the issuer can be used a single time.
let begun: Promise<State> | undefined;

export const App = () => {
  const [state, setState] = useState<State>({ at: 'loading' });
  useEffect(() => {
    begun ??= begin();
    void begun.then(setState);
  }, []);
  if (state.at === 'loading')
    return (
      <p className="loading" role="status">
        Carregando…
      </p>
    );
  if (state.at === 'welcome') return <Welcome settings={state.settings} failure={state.failure} />;
  return (
    <SessionProvider session={state.session} settings={state.settings}>
      <Pages />
    </SessionProvider>
  );
};
