import { useState } from 'react';
import { Notice } from '../parts/notice.tsx';
import { type Settings, SignInFailed, startSignIn } from '../session/sign-in.ts';
import { archiveAge } from '../words/archive-age.ts';

/** Before anyone has signed in, and where signing in did not work. */
export const Welcome = ({ settings, failure }: { settings: Settings | null; failure: string | null }) => {
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState(failure);
  const signIn = async (): Promise<void> => {
    if (!settings) return window.location.reload();
    setBusy(true);
    setRefused(null);
    try {
      await startSignIn(settings, window.location.pathname + window.location.search);
    } catch (error) {
      setBusy(false);
      setRefused(error instanceof SignInFailed ? error.message : 'Não foi possível entrar. Tente de novo.');
    }
  };
  return (
    <main className="welcome">
      <p className="brand brand-large">Lastro</p>
      <h1>Mesa de ordens de assinatura</h1>
      <p>
        Crie ordens, veja se há coro e por quê, resolva o que ficou em dúvida e peça relatórios.
        {settings &&
          ` Ordens com mais de ${archiveAge(settings.archiveOlderThan)} estão disponíveis só por relatório.`}
      </p>
      {refused && <Notice kind="bad">{refused}</Notice>}
      <button type="button" className="primary large" onClick={() => void signIn()} disabled={busy}>
        {settings ? 'Entrar' : 'Recarregar'}
      </button>
    </main>
  );
};
