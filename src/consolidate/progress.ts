import type { Plan } from './plan.ts';

export type ProgressStream = { isTTY?: boolean; write: (text: string) => unknown };

const barWidth = 24;
const terminalEveryMs = 100;
const logEveryMs = 5_000;

/** `1.2 GB`, `34.5 MB`, `812 B`. */
export const showBytes = (bytes: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
};

const showCount = (count: number): string => count.toLocaleString('en-US');

const showSeconds = (seconds: number): string => {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
};

/**
 * A bar with rate and time left where `stream` is a terminal, a line every five seconds where it is a log. `notice` writes
 * a line of its own between them.
 */
export const openProgress = (stream: ProgressStream, now: () => number = () => performance.now()) => {
  const terminal = stream.isTTY === true;
  let total = { files: 0, bytes: 0 };
  let done = { files: 0, bytes: 0 };
  let started = now();
  let shownAt = started;
  let shown = false;

  const clear = (): void => {
    if (terminal && shown) stream.write('\r\u001b[K');
    shown = false;
  };

  const text = (): string => {
    const seconds = Math.max(0.001, (now() - started) / 1000);
    const rate = done.files / seconds;
    const part = total.bytes > 0 ? done.bytes / total.bytes : 0;
    const left = part > 0 && part < 1 ? `, ${showSeconds((seconds / part) * (1 - part))} left` : '';
    const counts = `${showCount(done.files)} of ${showCount(total.files)} files, ${showCount(Math.round(rate))}/s, ${showBytes(done.bytes / seconds)}/s${left}`;
    if (!terminal) return `read ${counts}`;
    const filled = Math.min(barWidth, Math.round(part * barWidth));
    return `[${'='.repeat(filled)}${' '.repeat(barWidth - filled)}] ${counts}`;
  };

  return {
    planned: ({ files, bytes, skipped, ignored, deferred, batches }: Plan): void => {
      total = { files, bytes };
      done = { files: 0, bytes: 0 };
      started = now();
      shownAt = started;
      const also = [
        skipped > 0 ? `${showCount(skipped)} taken before` : '',
        deferred > 0 ? `${showCount(deferred)} left for company` : '',
        ignored > 0 ? `${showCount(ignored)} of other kinds ignored` : '',
      ].filter((part) => part !== '');
      stream.write(
        `${showCount(files)} files, ${showBytes(bytes)}, in ${batches.length} ${batches.length === 1 ? 'batch' : 'batches'}` +
          `${also.length > 0 ? ` (${also.join(', ')})` : ''}\n`,
      );
    },
    progress: (files: number, bytes: number): void => {
      done = { files: done.files + files, bytes: done.bytes + bytes };
      const at = now();
      const last = done.files >= total.files;
      if (at - shownAt < (terminal ? terminalEveryMs : logEveryMs) && !(last && terminal)) return;
      shownAt = at;
      stream.write(terminal ? `\r\u001b[K${text()}` : `${text()}\n`);
      shown = true;
    },
    notice: (message: string): void => {
      clear();
      stream.write(`${message}\n`);
    },
    end: clear,
  };
};
