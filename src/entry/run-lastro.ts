import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RunLastro } from '../platform/own-process.ts';

const program = fileURLToPath(new URL('./lastro.ts', import.meta.url));

/** Longest tail of standard error that is kept: its last words say why a command failed. */
const keptWords = 4_000;

/**
 * Runs command lines of lastro in processes of their own, on this one's home and settings. Where `signal` or
 * `stopping` aborts, the command is asked to stop at its next safe point.
 */
export const openRunLastro =
  ({ home, stopping }: { home: string; stopping: AbortSignal }): RunLastro =>
  (args, { signal: asked }) =>
    new Promise((resolve, reject) => {
      const signal = AbortSignal.any([asked, stopping]);
      const child = spawn(process.execPath, [program, ...args], {
        env: { ...process.env, LASTRO_HOME: home },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const stop = (): void => void child.kill('SIGTERM');
      const texts = { stdout: '', stderr: '' };
      child.stdout.on('data', (chunk: Buffer) => {
        texts.stdout += String(chunk);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        texts.stderr = (texts.stderr + String(chunk)).slice(-keptWords);
      });
      signal.addEventListener('abort', stop, { once: true });
      child.once('error', reject);
      child.once('close', (code) => {
        signal.removeEventListener('abort', stop);
        // A signal has no code: somebody ended it from outside.
        resolve({ code: code ?? 1, ...texts });
      });
      if (signal.aborted) stop();
    });
