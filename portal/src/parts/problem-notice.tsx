import type { ReactNode } from 'react';
import type { ApiProblem } from '../api/problem.ts';
import { problemWords } from '../words/problems.ts';
import { Notice } from './notice.tsx';

/** A problem of the API in words, with what to do and, where it is ours to look into, its request id. */
export const ProblemNotice = ({
  problem,
  retry,
  children,
}: {
  problem: ApiProblem;
  retry?: (() => void) | undefined;
  children?: ReactNode;
}) => {
  // The frame says it, with the way to sign in again.
  if (problem.type === 'unauthenticated') return null;
  const { title, advice } = problemWords(problem);
  return (
    <Notice kind="bad" title={title}>
      {advice && <p>{advice}</p>}
      {children}
      {problem.requestId && problem.status >= 500 && (
        <p className="quiet">
          Código para o suporte: <code>{problem.requestId}</code>
        </p>
      )}
      {retry && (
        <button type="button" onClick={retry}>
          Tentar de novo
        </button>
      )}
    </Notice>
  );
};
