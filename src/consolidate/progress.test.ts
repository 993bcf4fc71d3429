import { describe, expect, it, vi } from 'vitest';
import { BatchLimitError, defaultLimits, watchLimits } from './limits.ts';
import type { Plan } from './plan.ts';
import { openProgress, showBytes } from './progress.ts';

const plan = {
  files: 1_000,
  bytes: 2e6,
  skipped: 5,
  ignored: 0,
  deferred: 0,
  batches: [{}],
} as unknown as Plan;

const recorded = (isTTY: boolean) => {
  const written: string[] = [];
  let now = 0;
  const progress = openProgress({ isTTY, write: (text) => written.push(text) }, () => now);
  return {
    written,
    progress,
    pass: (ms: number) => {
      now += ms;
    },
  };
};

describe('progress', () => {
  it('draws a bar with rate and time left in a terminal, and clears it for a notice', () => {
    const { written, progress, pass } = recorded(true);
    progress.planned(plan);
    expect(written.pop()).toBe('1,000 files, 2.0 MB, in 1 batch (5 taken before)\n');
    pass(1_000);
    progress.progress(250, 5e5);
    expect(written.pop()).toBe(
      '\r\u001b[K[======                  ] 250 of 1,000 files, 250/s, 500.0 kB/s, 3 s left',
    );
    pass(10);
    progress.progress(10, 1e4);
    expect(written).toEqual([]);
    progress.notice('careful');
    expect(written).toEqual(['\r\u001b[K', 'careful\n']);
  });

  it('writes a line every five seconds into a log', () => {
    const { written, progress, pass } = recorded(false);
    progress.planned(plan);
    pass(4_000);
    progress.progress(100, 2e5);
    pass(1_000);
    progress.progress(100, 2e5);
    expect(written.slice(1)).toEqual(['read 200 of 1,000 files, 40/s, 80.0 kB/s, 20 s left\n']);
    progress.end();
    expect(written).toHaveLength(2);
  });

  it('shows bytes as people read them', () => {
    expect([0, 999, 1_000, 1.25e9].map(showBytes)).toEqual(['0 B', '999 B', '1.0 kB', '1.3 GB']);
  });
});

describe('limits', () => {
  it('warns once at 80 % and ends the batch beyond its share', () => {
    vi.useFakeTimers();
    const notices: string[] = [];
    let memory = 790e6;
    const limits = { ...defaultLimits, memoryBytes: 1e9, batchMs: 10_000 };
    const notice = (text: string): number => notices.push(text);
    const watch = watchLimits({ limits, batch: 'batch 1', notice, rss: () => memory });
    vi.advanceTimersByTime(1_000);
    expect(notices).toEqual([]);
    memory = 850e6;
    vi.advanceTimersByTime(1_000);
    expect(notices).toEqual([
      expect.stringMatching(/^batch 1: memory 850 MB, over 80 % of the limit of 1000 MB/),
    ]);
    vi.advanceTimersByTime(7_000);
    expect(notices.at(1)).toMatch(/^batch 1: time 8 s, over 80 % of the limit of 10 s/);
    expect(watch.signal.aborted).toBe(false);
    memory = 1_100e6;
    vi.advanceTimersByTime(200);
    watch.stop();
    vi.useRealTimers();
    expect(watch.signal.reason).toBeInstanceOf(BatchLimitError);
    expect(notices).toHaveLength(2);
  });
});
