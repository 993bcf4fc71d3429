import { type MouseEvent, useEffect, useRef } from 'react';
import type { ApiProblem, Violation } from '../api/problem.ts';
import { violationWords } from '../words/violations.ts';
import { fieldId } from './field.tsx';
import { Notice } from './notice.tsx';
import { ProblemNotice } from './problem-notice.tsx';

const labelOf = (pointer: string): string | null =>
  window.document.querySelector(`label[for="${CSS.escape(fieldId(pointer))}"]`)?.textContent ?? null;

/**
 * What was wrong with a form, above it: takes the focus when it appears, and leads to each field. What no field of
 * the form stands for is told here alone.
 */
export const FormErrors = ({
  problem,
  violations = problem?.violations ?? [],
}: {
  problem?: ApiProblem | undefined;
  violations?: readonly Violation[];
}) => {
  const box = useRef<HTMLDivElement>(null);
  const isShown = problem !== undefined || violations.length > 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another problem takes the focus again
  useEffect(() => {
    if (isShown) box.current?.focus();
  }, [isShown, problem, violations]);
  if (!isShown) return null;
  return (
    <div ref={box} tabIndex={-1}>
      {violations.length === 0 && problem ? (
        <ProblemNotice problem={problem} />
      ) : (
        <Notice
          kind="bad"
          title={violations.length === 1 ? 'Corrija um campo' : `Corrija ${violations.length} pontos`}
        >
          <ul>
            {violations.map(({ pointer, message }) => (
              <li key={`${pointer} ${message}`}>
                <FieldLink pointer={pointer} />
                {violationWords(message)}
              </li>
            ))}
          </ul>
        </Notice>
      )}
    </div>
  );
};

const FieldLink = ({ pointer }: { pointer: string }) => {
  const label = labelOf(pointer);
  if (!label) return null;
  const go = (event: MouseEvent): void => {
    event.preventDefault();
    window.document.getElementById(fieldId(pointer))?.focus();
  };
  return (
    <>
      <a href={`#${fieldId(pointer)}`} onClick={go}>
        {label}
      </a>
      {': '}
    </>
  );
};
