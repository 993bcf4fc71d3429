import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync, rmSync } from 'node:fs';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

// What a process stages on disk is gone with it, unless it was killed. Every process therefore works in a folder
// whose name says which process it is, and whoever comes next removes the folders of those that are gone.

const beatEveryMs = 10 * 60_000;

/** A process of another machine can't be looked at: its folder is left until its heartbeat is this old. */
const silentForMs = 24 * 3_600_000;

type ProcessIdentity = { pid: number; started: string; machine: string };

/** Field 22 of /proc/<pid>/stat (proc(5)), in clock ticks since the machine started; state is field 3. */
const statOf = (pid: number | 'self'): { state: string; started: string } | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name stands in parentheses and may hold any of them itself.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
};

/**
 * What makes a process id mean something: this start of this machine, and this container of it. Elsewhere than on
 * Linux the machine's name has to do.
 */
const thisMachine = (): string => {
  let name = hostname();
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    name = `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    // No /proc.
  }
  return createHash('sha256').update(name).digest('hex').slice(0, 16);
};

const thisProcess = (): ProcessIdentity => ({
  pid: process.pid,
  started: statOf('self')?.started ?? '0',
  machine: thisMachine(),
});

const nameOf = ({ pid, started, machine }: ProcessIdentity): string => `process-${pid}-${started}-${machine}`;

const identityOf = (name: string): ProcessIdentity | undefined => {
  const [, pid, started, machine] = /^process-(\d{1,10})-(\d{1,20})-([0-9a-f]{16})$/.exec(name) ?? [];
  return pid && started && machine ? { pid: Number(pid), started, machine } : undefined;
};

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and belongs to another user.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
};

/** Whether a process of this machine has ended. A process id that was given out again has another start. */
const hasEnded = ({ pid, started }: ProcessIdentity): boolean => {
  if (!isThere(pid)) return true;
  const found = statOf(pid);
  return found !== undefined && (found.started !== started || found.state === 'Z');
};

const made = new Map<string, Promise<string>>();

/**
 * The folder of this process under `<home>/tmp`, for what need not outlive it. It is removed when the process ends;
 * where it was killed, the next process that asks for its own (or `removeDeadWorkFolders`) removes it. Folders of
 * live processes are never touched, whoever they are.
 */
export const workFolder = async (home: string): Promise<string> => {
  let folder = made.get(home);
  if (!folder) {
    folder = makeFolder(home);
    made.set(home, folder);
    folder.catch(() => made.delete(home));
  }
  return folder;
};

const makeFolder = async (home: string): Promise<string> => {
  const folder = join(home, 'tmp', nameOf(thisProcess()));
  await mkdir(folder, { recursive: true });
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  setInterval(() => {
    const now = new Date();
    utimes(folder, now, now).catch(() => {});
  }, beatEveryMs).unref();
  await removeDeadWorkFolders(home);
  return folder;
};

/** Removes the folders of processes that are gone; answers their names. */
export const removeDeadWorkFolders = async (home: string): Promise<string[]> => {
  const parent = join(home, 'tmp');
  const machine = thisMachine();
  const removed: string[] = [];
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const identity = identityOf(name);
    if (!identity) continue;
    const path = join(parent, name);
    const dead = identity.machine === machine ? hasEnded(identity) : await isSilent(path);
    if (!dead) continue;
    // Two processes may remove the same one at once: what the other took first is no failure.
    await rm(path, { recursive: true, force: true, maxRetries: 2 });
    removed.push(name);
  }
  return removed;
};

const isSilent = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > silentForMs;
};
