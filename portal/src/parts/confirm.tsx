import { type ReactNode, useEffect, useRef } from 'react';

/** Asks before something that can't be taken back. The browser keeps the focus inside and gives it back. */
export const Confirm = ({
  title,
  action,
  busy,
  onConfirm,
  onClose,
  children,
}: {
  title: string;
  action: string;
  busy: boolean;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}) => {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="confirmar" onClose={onClose}>
      <h2 id="confirmar">{title}</h2>
      {children}
      <div className="actions">
        <button type="button" onClick={() => dialog.current?.close()} disabled={busy}>
          Voltar
        </button>
        <button type="button" className="danger primary" onClick={onConfirm} disabled={busy}>
          {busy ? 'Aguarde…' : action}
        </button>
      </div>
    </dialog>
  );
};
