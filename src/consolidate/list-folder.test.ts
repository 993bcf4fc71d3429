import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openRootedFiles } from '../platform/rooted-files.ts';
import { listFolder } from './list-folder.ts';
import { versionAt } from './listed-folder.ts';
import { textAt } from './text-list.ts';

it('lists files and folders, but none that are hidden or links, and says what it cannot look into', async () => {
  const root = await mkdtemp(join(tmpdir(), 'lastro-list-'));
  await mkdir(join(root, 'in/below'), { recursive: true });
  await mkdir(join(root, 'in/_temporary'));
  await writeFile(join(root, 'in/ação.json'), '{}');
  await symlink('/etc/passwd', join(root, 'in/link.json'));
  await writeFile(
    Buffer.concat([Buffer.from(`${root}/in/`), Buffer.from([0xff]), Buffer.from('.json')]),
    '{}',
  );
  const files = openRootedFiles(root);
  const { folder, below, problem, unnamed } = listFolder(files, 'in/');
  expect([...folder.sizes.keys()].map((at) => textAt(folder.names, at))).toEqual(['ação.json']);
  expect(versionAt(folder, 0)).toMatch(/^2-\d+/);
  expect(below).toEqual(['in/below/']);
  expect(problem).toBeUndefined();
  // Not every file system has such names.
  expect([1, undefined]).toContain(unnamed);
  expect(listFolder(files, 'gone/')).toMatchObject({
    below: [],
    problem: expect.stringContaining('ENOENT'),
  });
  files.close();
  await rm(root, { recursive: true });
});
