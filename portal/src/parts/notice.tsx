import type { ReactNode } from 'react';

type Kind = 'info' | 'good' | 'warn' | 'bad';

/** Something to be told. What went wrong is read out at once, the rest when there is a pause. */
export const Notice = ({ kind, title, children }: { kind: Kind; title?: string; children?: ReactNode }) => (
  <div
    className={`notice notice-${kind}`}
    role={kind === 'bad' ? 'alert' : kind === 'info' ? undefined : 'status'}
  >
    {title && <p className="notice-title">{title}</p>}
    {children}
  </div>
);
