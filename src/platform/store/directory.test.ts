import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDirectoryStore } from './directory.ts';
import { ObjectExistsError, type Store } from './store.ts';

const run = promisify(execFile);

describe('directory store', () => {
  let folder: string;
  let store: Store;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lastro-directory-'));
    store = await openDirectoryStore(join(folder, 'root'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of store.list('')) found.push(key);
    return found;
  };

  it('refuses to follow a symbolic link out of its root', async () => {
    await mkdir(join(folder, 'outside'));
    await writeFile(join(folder, 'outside', 'secret'), 'x');
    await symlink(join(folder, 'outside'), join(folder, 'root', 'way-out'));
    await symlink(join(folder, 'outside', 'secret'), join(folder, 'root', 'file-link'));
    await expect(store.get('way-out/secret')).rejects.toThrow('symbolic link');
    await expect(store.put('way-out/new', 'x')).rejects.toThrow('symbolic link');
    await expect(store.put('way-out/deep/new', 'x')).rejects.toThrow('symbolic link');
    await expect(store.remove('way-out/secret')).rejects.toThrow('symbolic link');
    await expect(store.get('file-link')).rejects.toThrow('no object');
    expect(await keys()).toEqual([]);
    expect(await readdir(join(folder, 'outside'))).toEqual(['secret']);
  });

  it('leaves nothing visible of a write that is killed, and cleans it up later', async () => {
    const script = `
      import { openDirectoryStore } from ${JSON.stringify(new URL('./directory.ts', import.meta.url).href)};
      const store = await openDirectoryStore(${JSON.stringify(join(folder, 'root'))});
      const body = async function* () { yield Buffer.alloc(100_000); process.kill(process.pid, 'SIGKILL'); yield Buffer.alloc(1); };
      await store.put('half', body());`;
    await expect(run(process.execPath, ['--input-type=module', '-e', script])).rejects.toThrow();
    expect(await keys()).toEqual([]);
    const temporary = join(folder, 'root', '.lastro-tmp-writes');
    const [left = ''] = await readdir(temporary);
    expect(left).not.toBe('');
    await openDirectoryStore(join(folder, 'root'));
    expect(await readdir(temporary)).toHaveLength(1);
    const old = new Date(Date.now() - 25 * 3600 * 1000);
    await utimes(join(temporary, left), old, old);
    await openDirectoryStore(join(folder, 'root'));
    expect(await readdir(temporary)).toHaveLength(0);
  });

  it('says that the disk is full, and leaves no part of the object', async () => {
    // A real full disk where the kernel lets us mount one, else the process's own limit of file sizes.
    const script = `
      import { openDirectoryStore } from ${JSON.stringify(new URL('./directory.ts', import.meta.url).href)};
      import { readdirSync } from 'node:fs';
      const store = await openDirectoryStore(process.argv[1]);
      await store.put('fits', 'x');
      const error = await store.put('large', Buffer.alloc(3_000_000)).then(() => ({ name: 'none' }), (e) => e);
      const keys = [];
      for await (const { key } of store.list('')) keys.push(key);
      console.log(JSON.stringify({ name: error.name, message: error.message, keys, left: readdirSync(process.argv[1] + '/.lastro-tmp-writes') }));`;
    const shell = `
      node=$1; script=$2; disk=$3
      if unshare -Urm true 2>/dev/null; then
        exec unshare -Urm sh -c 'mount -t tmpfs -o size=1m tmpfs "$3" && exec "$1" --input-type=module -e "$2" -- "$3"' sh "$node" "$script" "$disk"
      fi
      ulimit -f 1000; exec "$node" --input-type=module -e "$script" -- "$disk"`;
    await mkdir(join(folder, 'disk'));
    const { stdout } = await run('bash', [
      '-c',
      shell,
      'bash',
      process.execPath,
      script,
      join(folder, 'disk'),
    ]);
    const told = JSON.parse(stdout) as { name: string; message: string; keys: string[]; left: string[] };
    expect(told).toMatchObject({ name: 'StoreFullError', keys: ['fits'], left: [] });
    expect(told.message).toMatch(/no space left .* for "large"; nothing was stored/);
  });

  it('says why an object cannot also be a folder', async () => {
    await store.put('a/b', 'x');
    await expect(store.put('a/b/c', 'x')).rejects.toThrow('cannot hold both');
    await expect(store.put('a', 'x')).rejects.toThrow('cannot hold both');
    await expect(store.get('a')).rejects.toThrow('no object');
    await expect(store.put('a/b', 'y', { ifNoneMatch: true })).rejects.toThrow(ObjectExistsError);
    await expect(access(join(folder, 'root', 'a', 'b'))).resolves.toBeUndefined();
  });
});
