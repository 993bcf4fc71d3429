import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeDeadWorkFolders, workFolder } from './work-folder.ts';

const program = `
  import { writeFile } from 'node:fs/promises';
  import { workFolder } from ${JSON.stringify(new URL('./work-folder.ts', import.meta.url).href)};
  const folder = await workFolder(process.argv[1]);
  await writeFile(folder + '/staged', 'x');
  process.stdout.write('ready');
  process.stdin.resume().on('end', () => process.exit(0));`;

let home: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-work-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(home, { recursive: true, force: true });
});

const startProcess = async (): Promise<ChildProcess> => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, home], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  if (child.stdout) await once(child.stdout, 'data');
  return child;
};

const folders = () => readdir(join(home, 'tmp'));
const of = ({ pid }: ChildProcess, names: string[]) =>
  names.filter((name) => name.startsWith(`process-${pid}-`));

describe('the work folder of a process', () => {
  it('is gone when the process ends, and removed by the next one where it was killed', async () => {
    const tidy = await startProcess();
    const killed = await startProcess();
    const alive = await startProcess();
    expect(await folders()).toHaveLength(3);
    tidy.stdin?.end();
    await once(tidy, 'exit');
    expect(of(tidy, await folders())).toEqual([]);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    expect(of(killed, await folders())).toHaveLength(1);
    const mine = await workFolder(home);
    const left = await folders();
    expect(left.map((name) => join(home, 'tmp', name)).sort()).toEqual(
      [mine, join(home, 'tmp', of(alive, left)[0] ?? '')].sort(),
    );
    expect(await readdir(join(home, 'tmp', of(alive, left)[0] ?? ''))).toEqual(['staged']);
  });

  it('is not taken for alive because another process has its number', async () => {
    const alive = await startProcess();
    const [name = ''] = of(alive, await folders());
    const [, pid, started, machine] = name.split('-');
    const earlier = `process-${pid}-${Number(started) - 1}-${machine}`;
    await mkdir(join(home, 'tmp', earlier));
    expect(await removeDeadWorkFolders(home)).toEqual([earlier]);
    expect(await folders()).toContain(name);
  });

  it('of another machine is left until nobody has touched it for a day; other names are left for ever', async () => {
    const foreign = `process-1-5-${'0'.repeat(16)}`;
    await mkdir(join(home, 'tmp', foreign), { recursive: true });
    await writeFile(join(home, 'tmp', 'notes'), '');
    expect(await removeDeadWorkFolders(home)).toEqual([]);
    const old = new Date(Date.now() - 25 * 3_600_000);
    for (const name of [foreign, 'notes']) await utimes(join(home, 'tmp', name), old, old);
    expect(await removeDeadWorkFolders(home)).toEqual([foreign]);
    expect(await folders()).toEqual(['notes']);
  });
});
