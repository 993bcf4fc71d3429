import type { Report } from './archive-run.ts';
import { monthText } from './due.ts';

const terminalEveryMs = 100;
const logEveryMs = 5_000;

/** A line that is written over where the stream is a terminal, one each five seconds where it is a log. */
export const openProgress = (
  stream: { isTTY?: boolean; write: (text: string) => unknown },
  now: () => number = () => performance.now(),
): Report & { end: () => void } => {
  const isTerminal = stream.isTTY === true;
  const state = { read: 0, due: 0, proven: 0, removed: 0, window: '' };
  let shownAt = now();
  let isShown = false;
  const clear = (): void => {
    if (isTerminal && isShown) stream.write('\r\u001b[K');
    isShown = false;
  };
  const show = (): void => {
    if (now() - shownAt < (isTerminal ? terminalEveryMs : logEveryMs)) return;
    shownAt = now();
    const { read, due, proven, removed, window } = state;
    const text = `${read} read, ${due} due, ${proven} proven${window}, ${removed} removed`;
    stream.write(isTerminal ? `\r\u001b[K${text}` : `${text}\n`);
    isShown = true;
  };
  return {
    selected: (read, due) => {
      Object.assign(state, { read, due });
      show();
    },
    proven: (areaId, month, orders) => {
      state.proven += orders;
      state.window = ` (${areaId} ${monthText(month)})`;
      show();
    },
    removed: (orders) => {
      state.removed += orders;
      show();
    },
    notice: (message) => {
      clear();
      stream.write(`${message}\n`);
    },
    end: clear,
  };
};
