import { fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { UserError } from '../platform/cli.ts';

export type SandboxAddresses = { readonly url: string; readonly issuer: string; readonly smtp: string };

export type SandboxProcess = SandboxAddresses & {
  /** Resolves when the process ends, with what it said last on standard error. */
  readonly ended: Promise<string>;
  readonly stop: () => Promise<void>;
};

const program = fileURLToPath(new URL('../../sandbox/main.ts', import.meta.url));

const isAddresses = (message: unknown): message is SandboxAddresses =>
  typeof message === 'object' && message !== null && 'url' in message && 'issuer' in message;

/**
 * Starts the sandbox as a process of its own: it is no part of the product, and uses the second core. It sends
 * its addresses when it is ready, and ends when this process does, also by a kill. It is out of the terminal's
 * process group, so that Ctrl-C does not take the partners away from the orders in hand.
 * @throws UserError with its last words where it ends before it is ready.
 */
export const startSandboxProcess = async ({
  port,
  home,
}: {
  port: number;
  home: string;
}): Promise<SandboxProcess> => {
  const child = fork(program, ['--port', String(port), '--home', home], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true,
  });
  const words: string[] = [];
  if (child.stderr) {
    createInterface(child.stderr).on('line', (line) => {
      words.push(line);
      if (words.length > 10) words.shift();
    });
  }
  const ended = new Promise<string>((resolve) => {
    child.once('close', () => resolve(words.join('\n')));
    child.once('error', (error) => resolve(error.message));
  });
  // Under `node --watch` a child also reports the files that it loads, on the same channel.
  const ready = new Promise<SandboxAddresses>((resolve) => {
    child.on('message', (message) => {
      if (isAddresses(message)) resolve(message);
    });
  });
  const answer = await Promise.race([ready, ended]);
  if (typeof answer === 'string') throw new UserError(`the sandbox did not start: ${answer}`, 1);
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(late);
  };
  return { ...answer, ended, stop };
};
