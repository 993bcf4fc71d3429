import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { type Call, createCall } from '../api/client.ts';
import { keep, take } from './kept.ts';
import { type Session, type Settings, signOutAddress, startSignIn } from './sign-in.ts';

type Desk = {
  readonly session: Session;
  readonly settings: Settings;
  readonly call: Call;
  readonly may: (scope: string) => boolean;
  /** The API takes the token no more; pages stay as they are until the person signs in again. */
  readonly expired: boolean;
  readonly signInAgain: () => Promise<void>;
  readonly signOut: () => Promise<void>;
  /** Has a form's state kept over the next sign-in. */
  readonly onLeave: (state: () => unknown) => () => void;
};

const DeskContext = createContext<Desk | null>(null);

export const useDesk = (): Desk => {
  const desk = useContext(DeskContext);
  if (!desk) throw new Error('expected a page inside of SessionProvider');
  return desk;
};

const here = (): string => window.location.pathname + window.location.search;

export const SessionProvider = ({
  session,
  settings,
  children,
}: {
  session: Session;
  settings: Settings;
  children: ReactNode;
}) => {
  const [expired, setExpired] = useState(false);
  const drafts = useRef(new Set<() => unknown>());

  useEffect(() => {
    const wait = Math.min(session.expiresAt - Date.now(), 2 ** 31 - 1);
    const timer = setTimeout(() => setExpired(true), Math.max(0, wait));
    return () => clearTimeout(timer);
  }, [session]);

  const desk = useMemo(
    (): Desk => ({
      session,
      settings,
      expired,
      call: createCall({ token: () => session.accessToken, refused: () => setExpired(true) }),
      may: (scope) => session.scopes.has(scope) || session.scopes.has('admin'),
      signInAgain: async () => {
        const [draft] = [...drafts.current].map((state) => state());
        if (draft !== undefined)
          keep('draft', { at: window.location.pathname, by: session.subject, state: draft });
        await startSignIn(settings, here());
      },
      signOut: async () => {
        take('wasSignedIn');
        take('draft');
        window.location.assign(await signOutAddress(settings, session.idToken));
      },
      onLeave: (state) => {
        drafts.current.add(state);
        return () => drafts.current.delete(state);
      },
    }),
    [session, settings, expired],
  );
  return <DeskContext value={desk}>{children}</DeskContext>;
};

/**
 * The state that a form begins with: what the same person had filled in on this page before the session expired,
 * else `initial`. The form's state of the moment is kept when the person leaves to sign in again.
 */
export const useKeptState = <State,>(initial: () => State): [State, (next: State) => void] => {
  const { onLeave, session } = useDesk();
  const [state, setState] = useState<State>(() => takeDraft<State>(session.subject) ?? initial());
  const latest = useRef(state);
  latest.current = state;
  useEffect(() => onLeave(() => latest.current), [onLeave]);
  return [state, setState];
};

const takeDraft = <State,>(subject: string): State | undefined => {
  const draft = take('draft');
  if (typeof draft !== 'object' || draft === null || !('at' in draft) || !('by' in draft)) return undefined;
  const isOurs = draft.at === window.location.pathname && draft.by === subject;
  return isOurs && 'state' in draft ? (draft.state as State) : undefined;
};
